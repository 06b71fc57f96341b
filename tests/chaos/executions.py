"""What the ComfyUIs ran, and why they ran some of it more than once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

UNDERWAY = 0.1
"""Seconds: a file that left ComfyUI so shortly before a kill may not have arrived."""
BEFORE_END = "its ComfyUI was killed before it had ended"
BEFORE_FETCH = "its ComfyUI was killed before its files were fetched"
AFTER_FETCH = "its ComfyUI, and the GPU service that had fetched its files, were killed"


@dataclass
class Execution:
    """One run of one graph in one ComfyUI. Times are in seconds since the epoch."""

    comfyui: str
    prompt_id: str
    color: int
    started: float
    ended: float | None = None
    fetched: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.prompt_id} on {self.comfyui}: started {clock(self.started)}, "
            f"ended {clock(self.ended)}, fetched {clock(self.fetched)}"
        )


def clock(at: float | None) -> str:
    """A time as the logs have it."""
    return "never" if at is None else datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]


def read_executions(comfyui: str, path: Path) -> list[Execution]:
    """In the order of their starts."""
    executions: list[Execution] = []
    latest: dict[str, Execution] = {}
    for entry in _lines(path):
        if entry["event"] == "started":
            color = entry["graph"]["1"]["inputs"]["color"]
            one = Execution(comfyui, entry["prompt_id"], color, entry["at"])
            executions.append(one)
            latest[one.prompt_id] = one
        elif entry["event"] == "ended":
            latest[entry["prompt_id"]].ended = entry["at"]
        else:
            # {prompt id}_00001_.png: our save nodes write under the prompt's id.
            fetched = latest[entry["file"].split("_")[0]]
            fetched.fetched = fetched.fetched or entry["at"]
    return executions


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return  # It has run nothing: the other ComfyUI was quicker, or it was killed each time.
    for line in path.read_text().splitlines():
        entry: dict[str, Any] = json.loads(line)
        yield entry


@dataclass(frozen=True)
class Repeat:
    """A graph that ran again. `reason` is None where nothing that was killed explains it."""

    first: Execution
    again: Execution
    reason: str | None

    def __str__(self) -> str:
        return f"{self.first}; again {self.again}"


def repeats(
    executions: list[Execution],
    killed: Mapping[str, list[float]],
    gpu_server_of: Mapping[str, str],
) -> list[Repeat]:
    """Each execution of a colour after its first, with its reason.

    `killed` are the times of the kills of each program, `gpu_server_of` the GPU service of each
    ComfyUI.
    """
    by_color: dict[int, list[Execution]] = {}
    for one in sorted(executions, key=lambda each: each.started):
        by_color.setdefault(one.color, []).append(one)
    return [
        Repeat(first, again, _reason(first, again, killed, gpu_server_of))
        for runs in by_color.values()
        for first, again in pairwise(runs)
    ]


def _reason(
    first: Execution,
    again: Execution,
    killed: Mapping[str, list[float]],
    gpu_server_of: Mapping[str, str],
) -> str | None:
    kill = next(_between(killed.get(first.comfyui, []), first.started, again.started), None)
    if kill is None:
        return None
    if first.ended is None:
        return BEFORE_END
    if first.fetched is None or kill < first.fetched + UNDERWAY:
        return BEFORE_FETCH
    gpu_kills = killed.get(gpu_server_of[first.comfyui], [])
    lost = any(_between(gpu_kills, first.fetched, again.started))
    return AFTER_FETCH if lost else None


def _between(times: list[float], low: float, high: float) -> Iterator[float]:
    return (each for each in times if low <= each <= high)
