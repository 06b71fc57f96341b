"""`GET /tasks/{task_id}/events`."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from backend.config import Settings
from backend.routers.streaming import server_sent_events
from backend.services.task_story import StoryEvent
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.serving import ended, serving
from tests.conditions import eventually


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    kind: str
    data: Any
    number: int | None = None


def read(text: str) -> list[Told]:
    """A stream as a browser reads it; comments are passed over."""
    told = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if fields:
            number = int(fields["id"]) if "id" in fields else None
            told.append(Told(fields["event"], json.loads(fields["data"]), number))
    return told


async def post(client: httpx.AsyncClient) -> str:
    task_id: str = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    return task_id


async def events(client: httpx.AsyncClient, task_id: str, last: str | None = None) -> list[Told]:
    """The whole story, once the task has ended."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with anyio.fail_after(5):
        reply = await client.get(f"/tasks/{task_id}/events", headers=headers)
    assert reply.status_code == 200
    return read(reply.text)


async def test_states_come_in_order_with_growing_numbers(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.always(FakeJob.start)
    task_id = await post(client)
    reading = asyncio.create_task(events(client, task_id))
    await eventually(lambda: gpu.jobs)
    gpu.jobs[0].finish()
    told = [each for each in await reading if each.number is not None]
    assert [each.kind for each in told] == ["queued", "running", "done"]
    numbers = [each.number for each in told if each.number is not None]
    assert numbers == sorted(set(numbers))
    assert [each.data["status"] for each in told] == ["queued", "running", "done"]


async def test_progress_and_previews_have_no_number(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.always(FakeJob.start)
    task_id = await post(client)
    reading = asyncio.create_task(events(client, task_id))
    await eventually(lambda: gpu.jobs)
    gpu.jobs[0].progress(0.25, "KSampler")
    gpu.jobs[0].tell("preview", content_type="image/jpeg", image="aGk=")

    async def shows() -> bool:
        return bool((await client.get(f"/tasks/{task_id}")).json()["progress"] == 0.25)

    await eventually(shows)
    await anyio.wait_all_tasks_blocked()
    gpu.jobs[0].finish()
    told = await reading
    assert Told("progress", {"value": 0.25, "node": "KSampler"}) in told
    assert Told("preview", {"content_type": "image/jpeg", "image": "aGk="}) in told


async def test_stream_is_one_that_nobody_keeps_or_holds_back(client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    reply = await client.get(f"/tasks/{task_id}/events")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-accel-buffering"] == "no"


async def test_end_has_the_task_without_its_image(client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    last = (await events(client, task_id))[-1]
    shown = (await client.get(f"/tasks/{task_id}")).json()
    assert last.data == {**shown, "image": None}


async def test_each_stream_ends_with_the_task(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.always(FakeJob.start)
    task_id = await post(client)
    streams = [asyncio.create_task(events(client, task_id)) for _ in range(3)]
    await eventually(lambda: gpu.jobs)
    await client.delete(f"/tasks/{task_id}")
    assert [(await stream)[-1].kind for stream in streams] == ["cancelled"] * 3


async def test_whoever_comes_back_misses_no_change_of_state(client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    told = [each for each in await events(client, task_id) if each.number is not None]
    for seen in range(len(told) - 1):
        rest = await events(client, task_id, str(told[seen].number))
        assert rest == told[seen + 1 :]


async def test_whoever_comes_back_after_a_restart_misses_no_change_of_state(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.always(FakeJob.start)
    async with serving(settings) as client:
        task_id = await post(client)
        await eventually(lambda: gpu.jobs)
        reading = asyncio.create_task(events(client, task_id))
        await anyio.wait_all_tasks_blocked()
        await client.delete(f"/tasks/{task_id}")
        first = next(each for each in await reading if each.number is not None)
    async with serving(settings) as client:
        rest = await events(client, task_id, str(first.number))
    assert [each.kind for each in rest] == ["running", "cancelled"]


async def test_ended_task_whose_end_was_seen_has_nothing_more_to_tell(
    client: httpx.AsyncClient,
) -> None:
    task_id = await post(client)
    last = (await events(client, task_id))[-1]
    assert await events(client, task_id, str(last.number)) == []


async def test_ended_task_is_told_from_the_beginning(client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    await ended(client, task_id)
    told = await events(client, task_id)
    assert [each.kind for each in told] == ["queued", "running", "done"]


@pytest.mark.parametrize("last", ["", "none", "-1", "1.5", "9" * 50, "٣"])
async def test_number_that_is_none_is_told_everything(client: httpx.AsyncClient, last: str) -> None:
    task_id = await post(client)
    await ended(client, task_id)
    with anyio.fail_after(5):
        reply = await client.get(
            f"/tasks/{task_id}/events", headers=[(b"Last-Event-ID", last.encode())]
        )
    assert len(read(reply.text)) == 3


async def test_unknown_task_is_404(client: httpx.AsyncClient) -> None:
    reply = await client.get("/tasks/nope/events")
    assert (reply.status_code, reply.json()["code"]) == (404, "task_not_found")


async def story(*said: StoryEvent | None) -> AsyncGenerator[StoryEvent | None, None]:
    for each in said:
        yield each


async def test_sign_of_life_is_a_comment() -> None:
    stream = server_sent_events(story(None, StoryEvent("done", {"a": "ü\n"}, 7)))
    pieces = [piece async for piece in stream.body_iterator]
    assert pieces == [
        b": still here\n\n",
        b'id: 7\nevent: done\ndata: {"a": "\\u00fc\\n"}\n\n',
    ]


async def test_story_is_let_go_of_when_the_reader_leaves() -> None:
    left = asyncio.Event()

    async def endless() -> AsyncGenerator[StoryEvent | None, None]:
        try:
            while True:
                yield StoryEvent("progress", {})
        finally:
            left.set()

    stream = server_sent_events(endless()).body_iterator
    assert isinstance(stream, AsyncGenerator)
    await anext(stream)
    await stream.aclose()
    assert left.is_set()
