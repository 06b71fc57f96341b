"""One chaos run: tasks and kills at the same time, then quiet, then a look at everything."""

import asyncio
import base64
import io
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
from PIL import Image

from tests import plain_http
from tests.chaos.executions import Repeat, clock, read_executions, repeats
from tests.chaos.fleet import Fleet, embedded_fleet, postgresql_fleet
from tests.chaos.kills import Killer, outage, plan_kills
from tests.chaos.orders import Clients, Order, plan_orders
from tests.chaos.records import Record, read_records

POLL_SECONDS = 0.2
AROUND = 2.0
"""Seconds around a repeat whose kills are shown with it."""
LINES, LINE = 60, 300
"""Of the logs, at most so many with a finding, and so many characters of each."""


@dataclass(frozen=True)
class Plan:
    """What a run is decided by. `deadline` is in seconds, and generous."""

    tasks: int
    seconds: float
    seed: int
    job_seconds: float
    postgresql: bool = False
    outage: float = 0.0
    """Seconds that PostgreSQL stays away once more, when all kills are over."""

    @property
    def deadline(self) -> float:
        return self.seconds + self.outage + 2.5 * self.tasks * (self.job_seconds + 0.03) + 60


@dataclass
class Chaos:
    """What was done, what was seen, and what is wrong (`findings`)."""

    plan: Plan
    fleet: Fleet
    killer: Killer
    orders: list[Order]
    seen: Counter[str] = field(default_factory=Counter)
    records: dict[str, Record] = field(default_factory=dict)
    executed: int = 0
    repeats: list[Repeat] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    async def run(self) -> None:
        """Everything but the start and the end of the programs; over when the deadline is."""
        begun, deadline = time.monotonic(), self.plan.deadline
        limits = httpx.Limits(max_connections=None)
        supervising = asyncio.create_task(self.killer.supervise(), name="supervisor")
        async with plain_http.AsyncClient(timeout=10, limits=limits) as http:
            clients = Clients(http, self.fleet.urls, self.seen)
            with anyio.move_on_after(deadline) as scope:
                await asyncio.gather(self.killer.run(), clients.run(self.orders))
                await _until_ended(http, self.fleet, self.orders)
                await self._ask_again(clients)
                await self._look_at_images(http)
        if scope.cancelled_caught:
            self.findings.append(f"not everything had ended after {deadline:.0f} s")
        if supervising.done():
            self.findings.append(f"the supervisor failed: {supervising.exception()!r}")
        supervising.cancel()
        self.seconds = time.monotonic() - begun

    def stop_backends(self) -> None:
        """As an operator does; their store is whole then."""
        for program in (*self.fleet.workers, *self.fleet.backends):
            if (status := program.signal(signal.SIGTERM)) != 0:
                self.findings.append(f"{program.name} ended with {status} on SIGTERM")

    def look_at_records(self) -> None:
        """What the store has written down. The backends must have stopped."""
        self.records = read_records(self.fleet)
        keys = Counter(record.key for record in self.records.values())
        for order in self.orders:
            self._look_at_order(order, keys[order.key])
        for task_id, record in self.records.items():
            if (problem := record.problem()) is not None:
                self._find(f"task {task_id}: {problem}", task_id)
        for each in self.killer.exits:
            self.findings.append(
                f"{each.name} ended by itself with {each.status}, before {clock(each.at)}"
            )

    def look_at_executions(self) -> None:
        """What the ComfyUIs have written down."""
        comfyuis = self.fleet.comfyuis
        executions = [
            one
            for comfyui in comfyuis
            for one in read_executions(comfyui.name, self.fleet.executions(comfyui))
        ]
        self.executed = len(executions)
        gpu_server_of = {each.name: self.fleet.gpu_server_of(each.name) for each in comfyuis}
        self.repeats = repeats(executions, self.killer.times, gpu_server_of)
        tasks = {order.color: str(order.task_id) for order in self.orders}
        for repeat in self.repeats:
            if repeat.reason is None:
                first, again = repeat.first, repeat.again
                self._find(
                    f"task {tasks[first.color]} ran again for no reason: {repeat}\n"
                    f"    kills: {', '.join(self._kills_around(first.started, again.started))}",
                    *(tasks[first.color], first.prompt_id, again.prompt_id),
                )

    def _kills_around(self, first: float, last: float) -> list[str]:
        return [
            f"{name} {clock(at)}"
            for name, times in self.killer.times.items()
            for at in times
            if first - AROUND <= at <= last + AROUND
        ]

    def _look_at_order(self, order: Order, rows: int) -> None:
        if order.refused is not None:
            self.findings.append(f"{order.key}: refused, {order.refused}")
        elif order.task_id is None:
            self.findings.append(f"{order.key}: never accepted")
        elif len(order.task_ids) > 1 or rows != 1:
            self.findings.append(f"{order.key}: answered {order.task_ids}, kept {rows} times")
        elif (record := self.records.get(order.task_id)) is None or record.state != "done":
            self._find(f"{order.key}: task {order.task_id} is not done: {record}", order.task_id)

    def _find(self, what: str, *words: str) -> None:
        lines = [f"    {line[:LINE]}" for line in self.fleet.logged(*words)[:LINES]]
        self.findings.append("\n".join([what, *lines]))

    async def _ask_again(self, clients: Clients) -> None:
        """Every key once more: the same task, and said to be so."""
        for order in self.orders:
            reply = await clients.ask(order)
            if reply is None or reply.headers.get("idempotent-replayed") != "true":
                self.findings.append(f"{order.key}: not answered as replayed: {reply}")

    async def _look_at_images(self, http: httpx.AsyncClient) -> None:
        for order in self.orders:
            if (problem := await _image_problem(http, self.fleet.urls[0], order)) is not None:
                self.findings.append(f"{order.key}, task {order.task_id}: {problem}")


async def _until_ended(http: httpx.AsyncClient, fleet: Fleet, orders: list[Order]) -> None:
    """One after the other: most of them end in this order, so few are asked for twice."""
    for url in fleet.urls:
        while await _answer(http, f"{url}/health") is None:
            await asyncio.sleep(POLL_SECONDS)
    for order in orders:
        while order.task_id is not None:
            task = await _answer(http, f"{fleet.urls[-1]}/tasks/{order.task_id}")
            if task is not None and task["finished_at"] is not None:
                break
            await asyncio.sleep(POLL_SECONDS)


async def _answer(http: httpx.AsyncClient, url: str) -> dict[str, Any] | None:
    """What it answers, if it can."""
    try:
        reply = await http.get(url)
    except httpx.TransportError:
        return None
    answer: dict[str, Any] = reply.json()
    return answer if reply.status_code == 200 else None


async def _image_problem(http: httpx.AsyncClient, url: str, order: Order) -> str | None:
    """What is wrong with the image of a task that is done."""
    task = (await http.get(f"{url}/tasks/{order.task_id}")).json()
    if task.get("status") != "done":
        return f"{task.get('status')}: {task.get('error')}"
    reply = await http.get(url + task["outputs"][0]["url"])
    if reply.status_code != 200:
        return f"its output is answered {reply.status_code}: {reply.text[:300]}"
    if base64.b64decode(task["image"]) != reply.content:
        return "its image is not its output"
    with Image.open(io.BytesIO(reply.content)) as image:
        pixel = image.convert("RGB").getpixel((0, 0))
    wanted = tuple(order.color.to_bytes(3, "big"))
    return None if pixel == wanted else f"its image is {pixel}, {wanted} was asked for"


def run_chaos(folder: Path, plan: Plan) -> Chaos:
    """A run that the plan alone decides; nothing of it is left running."""
    fleet_of = postgresql_fleet if plan.postgresql else embedded_fleet
    with fleet_of(folder, plan.job_seconds) as fleet:
        fleet.start()
        kills = plan_kills(fleet.victims, plan.seconds, plan.seed)
        if plan.outage and fleet.database is not None:
            kills.append(outage(fleet.database, kills, plan.outage))
        orders = plan_orders(plan.tasks, plan.seconds + plan.outage, plan.seed)
        chaos = Chaos(plan, fleet, Killer(fleet.victims, kills), orders)
        asyncio.run(chaos.run())
        chaos.stop_backends()
        chaos.look_at_records()
        chaos.look_at_executions()
    return chaos
