"""When what is killed, and for how long it stays away."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.fleet import Victim

DOWN_SECONDS = (0.0, 2.0)
UP_SECONDS = (0.2, 8.0)
"""From one start to the next kill: some are killed before they have answered."""
SUPERVISOR_SECONDS = 0.5


@dataclass(frozen=True)
class Kill:
    """`at` is in seconds from the beginning of the run, `down` from the kill to the new start."""

    at: float
    victim: Victim
    down: float


def plan_kills(victims: Sequence[Victim], seconds: float, seed: int) -> list[Kill]:
    """The kills of so many seconds, by victim; the same for the same seed."""
    chance = random.Random(f"kills {seed}")
    longest = min(UP_SECONDS[1], seconds / 2)
    kills = []
    for victim in victims:
        at = chance.uniform(0.0, longest)
        while at < seconds:
            kill = Kill(at, victim, chance.uniform(*DOWN_SECONDS))
            kills.append(kill)
            at += kill.down + chance.uniform(UP_SECONDS[0], longest)
    return kills


def outage(victim: Victim, after: Sequence[Kill], down: float) -> Kill:
    """One long absence, once all those are over."""
    return Kill(max(kill.at + kill.down for kill in after) + UP_SECONDS[1], victim, down)


@dataclass(frozen=True)
class Exit:
    """A program that ended though nobody had killed it."""

    name: str
    status: int | None
    at: float


@dataclass
class Killer:
    """Carries out the kills; `times` are when each victim was dead, in epoch seconds."""

    victims: Sequence[Victim]
    kills: list[Kill]
    times: dict[str, list[float]] = field(default_factory=dict)
    exits: list[Exit] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Returns once all are started again."""
        begun = time.monotonic()
        by_victim: dict[str, list[Kill]] = {}
        for kill in self.kills:
            by_victim.setdefault(kill.victim.name, []).append(kill)
        await asyncio.gather(*(self._strike(each, begun) for each in by_victim.values()))

    async def supervise(self) -> None:
        """Start again what ends by itself, as an operator's supervisor does; never returns."""
        while True:
            for victim in self.victims:
                if victim.name not in self._down and not victim.runs:
                    self.exits.append(Exit(victim.name, victim.status, time.time()))
                    await asyncio.to_thread(victim.launch)
            await asyncio.sleep(SUPERVISOR_SECONDS)

    async def _strike(self, kills: list[Kill], begun: float) -> None:
        for kill in kills:
            await asyncio.sleep(begun + kill.at - time.monotonic())
            self._down.add(kill.victim.name)
            await asyncio.to_thread(kill.victim.stop)
            self.times.setdefault(kill.victim.name, []).append(time.time())
            await asyncio.sleep(kill.down)
            await asyncio.to_thread(kill.victim.launch)
            self._down.discard(kill.victim.name)
