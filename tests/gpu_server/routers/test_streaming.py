"""`/jobs/{id}/events`: a job's story as server-sent events."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gpu_server.routers.streaming import HEARTBEAT, server_sent_events
from gpu_server.services.event_log import EventKind, EventLog
from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import SMALL, Jobs, events_of, jobs_of, jobs_on, new_id
from tests.gpu_server.served import served
from tests.gpu_server.serving import problem, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAM = {"Accept": "text/event-stream"}


async def test_story_goes_from_started_over_its_outputs_to_done(
    each_idle_fake: FakeComfyUI,
) -> None:
    async with jobs_on(each_idle_fake.url) as jobs:
        story = await jobs.story(await jobs.start())
    kinds = [event.kind for event in story]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["output", "done"]
    assert set(kinds[1:-2]) == {"progress"}


async def test_numbers_grow(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        numbers = [event.number for event in await jobs.story(await jobs.start())]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


async def test_last_event_is_the_job_as_it_ended(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        assert (await jobs.story(job_id))[-1].data == await jobs.get(job_id)


async def test_each_output_is_told_with_its_address(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        told = [event.data for event in await jobs.story(job_id) if event.kind == "output"]
        assert told == (await jobs.get(job_id))["outputs"]


async def test_failure_ends_the_story_with_its_reason(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("execution_error")
    async with jobs_on(idle_fake.url) as jobs:
        last = (await jobs.story(await jobs.start()))[-1]
    assert (last.kind, last.data["error"]["code"]) == ("failed", "comfyui_execution_failed")


async def test_cancellation_ends_the_story(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        reading = asyncio.create_task(jobs.story(job_id))
        await jobs.cancel(job_id)
        assert (await reading)[-1].kind == "cancelled"


async def test_waiting_job_tells_how_many_are_before_it(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("hang")
    async with running(each_idle_fake.url, max_concurrent_tasks=2) as service:
        jobs = jobs_of(service)
        ids = [await jobs.start()]
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 1)
        ids.append(await jobs.start())
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 2)
        ids.append(await jobs.start())
        for position, job_id in enumerate(ids[1:], 1):
            events = service.state.jobs.get(job_id).events.read()
            event = await asyncio.wait_for(anext(events), 3)
            assert (event.kind, event.data) == (EventKind.QUEUED, {"position": position})
            await events.aclose()  # type: ignore[attr-defined]
        assert (await jobs.get(ids[1]))["state"] == "queued"
        each_idle_fake.faults.clear()
        for job_id in ids:
            await jobs.done(job_id)


async def test_last_event_id_leaves_out_what_came_before(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        await jobs.done(job_id)
        whole = await jobs.story(job_id)
        assert await jobs.story(job_id, after=whole[-3].number) == whole[-2:]


@pytest.mark.parametrize("last", ["", "x", "-1", "1e3", "٣", "9" * 5000])
async def test_last_event_id_that_is_none_of_ours_is_the_whole_story(
    idle_fake: FakeComfyUI, last: str
) -> None:
    async with running(idle_fake.url) as service:
        jobs = jobs_of(service)
        job_id = await jobs.start()
        await jobs.done(job_id)
        whole = await jobs.story(job_id)
        headers = {b"Last-Event-ID": last.encode()}
        reply = await service.http.get(f"/jobs/{job_id}/events", headers=headers)
    assert events_of(reply.text) == whole


async def test_put_that_accepts_events_is_answered_with_the_story(idle_fake: FakeComfyUI) -> None:
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        first = await jobs.put(job_id, headers=STREAM)
        again = await jobs.put(job_id, headers=STREAM)
        assert events_of(first.text)[-1] == events_of(again.text)[-1]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.headers["location"] == f"/jobs/{job_id}"
    assert events_of(first.text)[-1].kind == "done"


async def test_put_that_accepts_events_and_is_refused_is_a_problem(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        reply = await jobs.put(new_id(), "missing", headers=STREAM)
    problem(reply, 404, "workflow_not_found")


async def lines_until(lines: AsyncIterator[str], wanted: str) -> None:
    async for line in lines:
        if line == wanted:
            return
    raise AssertionError(f"the stream ended without {wanted}")


async def test_events_come_while_the_job_runs(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with served(idle_fake.url) as http:
        job_id = await Jobs(http).start()
        async with http.stream("GET", f"/jobs/{job_id}/events") as reply:
            lines = reply.aiter_lines()
            await lines_until(lines, "event: started")
            assert (await Jobs(http).get(job_id))["state"] == "running"
            idle_fake.faults.clear()
            await lines_until(lines, "event: done")


async def test_reader_who_leaves_does_not_end_the_job(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    body = {"workflow": "free_generation", "params": SMALL}
    async with served(idle_fake.url) as http:
        job_id = new_id()
        async with http.stream("PUT", f"/jobs/{job_id}", json=body, headers=STREAM) as reply:
            await lines_until(reply.aiter_lines(), "event: started")
        idle_fake.faults.clear()
        await Jobs(http).done(job_id)


async def test_no_proxy_on_the_way_keeps_events_back(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        job_id = await jobs_of(service).start()
        reply = await service.http.get(f"/jobs/{job_id}/events")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-accel-buffering"] == "no"


async def test_silence_is_filled_with_comments() -> None:
    """A proxy, and the backend, take a long silence for a dead connection."""
    log = EventLog()
    stream: AsyncIterator[bytes] = server_sent_events(
        log.read(), heartbeat_seconds=0.01
    ).body_iterator  # type: ignore[assignment]
    assert [await anext(stream), await anext(stream)] == [HEARTBEAT, HEARTBEAT]
    log.append(EventKind.DONE, {})
    rest = b"".join([part async for part in stream])
    assert rest.endswith(b"id: 1\nevent: done\ndata: {}\n\n")


async def test_progress_goes_from_nothing_to_all_and_never_back(
    each_idle_fake: FakeComfyUI,
) -> None:
    """Nodes done over nodes to run, the sampler's steps inside its node."""
    seen: list[float] = []
    async with running(each_idle_fake.url) as service:
        jobs = jobs_of(service)
        job_id = await jobs.start(params={**SMALL, "steps": 50})
        job = service.state.jobs.get(job_id)

        def look() -> bool:
            seen.append(job.progress)
            return job.ended

        await eventually(look)
        assert (await jobs.done(job_id))["progress"] == 1.0
    assert seen == sorted(seen)
