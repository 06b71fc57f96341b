"""What the clients of a chaos run ask for, and the careful client that asks for it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

SIDE = 8
"""Pixels: the pictures are small, there are many of them."""
ANSWER_SECONDS = 10.0
PAUSE_SECONDS = (0.05, 0.6)
HASTY_SHARE = 0.25
"""Of clients who hang up before they can have read the first answer."""
DOUBTING_SHARE = 0.25
"""Of clients who ask once more after their answer, as if it had been lost."""


@dataclass
class Order:
    """One image of one colour, under one key. `at` is in seconds from the beginning of the run."""

    number: int
    key: str
    color: int
    at: float
    hasty: float | None
    """Seconds after which the first try is broken off."""
    doubts: bool
    chance: random.Random
    task_ids: set[str] = field(default_factory=set)
    """All that were answered: one, if all is well."""
    refused: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        params = {"width": SIDE, "height": SIDE, "color": self.color}
        return {"mode": "selftest", "extra_params": params}

    @property
    def task_id(self) -> str | None:
        """Of the task that it became, once it is accepted."""
        return min(self.task_ids, default=None)


def plan_orders(tasks: int, seconds: float, seed: int) -> list[Order]:
    """Spread over the seconds; the same for the same seed, no colour twice."""
    chance = random.Random(f"orders {seed}")
    moments = sorted(chance.uniform(0.0, seconds) for _ in range(tasks))
    colors = chance.sample(range(2**24), tasks)
    return [
        Order(
            number,
            f"chaos-{seed}-{number}",
            color,
            at,
            chance.uniform(0.0, 0.05) if chance.random() < HASTY_SHARE else None,
            chance.random() < DOUBTING_SHARE,
            random.Random(chance.random()),
        )
        for number, (color, at) in enumerate(zip(colors, moments, strict=True))
    ]


@dataclass
class Clients:
    """They repeat what broke, with the same key. `seen` counts what they met."""

    http: httpx.AsyncClient
    urls: Sequence[str]
    seen: Counter[str] = field(default_factory=Counter)

    async def run(self, orders: list[Order]) -> None:
        """Returns once each order is accepted, or refused for good."""
        begun = time.monotonic()
        await asyncio.gather(*(self._client(order, begun) for order in orders))

    async def _client(self, order: Order, begun: float) -> None:
        await asyncio.sleep(begun + order.at - time.monotonic())
        if order.hasty is not None:
            await self.ask(order, order.hasty)
        await self._until_answered(order)
        if order.doubts:
            await self._until_answered(order)

    async def _until_answered(self, order: Order) -> None:
        while not order.refused and not await self.ask(order):
            await asyncio.sleep(order.chance.uniform(*PAUSE_SECONDS))

    async def ask(self, order: Order, seconds: float = ANSWER_SECONDS) -> httpx.Response | None:
        """One try: the answer, if it is a 200."""
        self.seen["sent"] += 1
        url = order.chance.choice(self.urls)
        try:
            reply = await self.http.post(
                f"{url}/generate",
                json=order.body,
                headers={"Idempotency-Key": order.key},
                timeout=seconds,
            )
        except httpx.TransportError:
            self.seen["broken off"] += 1
            return None
        self.seen[f"answered {reply.status_code}"] += 1
        if reply.status_code == 200:
            order.task_ids.add(reply.json()["task_id"])
            return reply
        if reply.status_code < 500 and reply.status_code != 429:
            order.refused = f"{reply.status_code}: {reply.text[:300]}"
        return None
