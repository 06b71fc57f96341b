"""`DELETE /jobs/{id}`: out of ComfyUI, waiting or running, and no other job is touched."""

import asyncio
import json

import httpx
import pytest
import respx

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.comfyui.freezing import freezing_proxy
from tests.gpu_server.comfyui.scripted import ScriptedComfyUI
from tests.gpu_server.jobs import Jobs, jobs_of, jobs_on, new_id
from tests.gpu_server.serving import NOBODY, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 2.0
"""Seconds after which a cancelled job's slot must be free."""


async def two_hanging(fake: FakeComfyUI, jobs: Jobs) -> tuple[str, str]:
    """One that runs, one that waits."""
    fake.faults.set("hang")
    ids = await jobs.start(), await jobs.start()
    await fake.until(lambda: fake.queue.remaining == 2 and fake.queue.running is not None)
    assert fake.queue.running is not None
    return ids if fake.queue.running.prompt_id == ids[0] else (ids[1], ids[0])


async def test_running_job_is_cancelled(each_idle_fake: FakeComfyUI) -> None:
    async with jobs_on(each_idle_fake.url) as jobs:
        first, second = await two_hanging(each_idle_fake, jobs)
        assert (await jobs.cancel(first))["state"] == "cancelled"
        await each_idle_fake.until(lambda: first in each_idle_fake.executed_prompts)
        each_idle_fake.faults.clear()
        await jobs.done(second)
    entry = each_idle_fake.queue.history[first]
    assert entry["status"]["status_str"] == "error"


async def test_waiting_job_is_cancelled(each_idle_fake: FakeComfyUI) -> None:
    async with jobs_on(each_idle_fake.url) as jobs:
        first, second = await two_hanging(each_idle_fake, jobs)
        assert (await jobs.cancel(second))["state"] == "cancelled"
        assert each_idle_fake.queue.pending == []
        each_idle_fake.faults.clear()
        await jobs.done(first)
    assert each_idle_fake.executed_prompts == [first]


@pytest.mark.parametrize("theirs_runs", [True, False])
async def test_job_of_somebody_else_is_not_touched(
    each_idle_fake: FakeComfyUI, theirs_runs: bool
) -> None:
    each_idle_fake.faults.set("hang")
    async with jobs_on(each_idle_fake.url) as theirs, jobs_on(each_idle_fake.url) as ours:
        first, second = (theirs, ours) if theirs_runs else (ours, theirs)
        ids = {first: await first.start()}
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        ids[second] = await second.start()
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 2)
        await ours.cancel(ids[ours])
        each_idle_fake.faults.clear()
        await theirs.done(ids[theirs])


@pytest.mark.parametrize("fault", ["hang", "hang_deaf"])
async def test_slot_is_free_soon(each_idle_fake: FakeComfyUI, fault: str) -> None:
    """Even where ComfyUI does not heed the interrupt."""
    each_idle_fake.faults.set(fault)
    async with jobs_on(each_idle_fake.url) as jobs:
        ids = [await jobs.start(), await jobs.start()]
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 2)
        for job_id in ids:
            assert (await asyncio.wait_for(jobs.cancel(job_id), SOON))["state"] == "cancelled"
        await jobs.start()
        await jobs.start()


async def test_slot_is_free_soon_where_comfyui_does_not_answer(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with freezing_proxy(idle_fake.url) as proxy, jobs_on(proxy.url) as jobs:
        job_id = await jobs.start()
        await idle_fake.until(lambda: idle_fake.queue.running is not None)
        proxy.silent = True
        assert (await asyncio.wait_for(jobs.cancel(job_id), SOON))["state"] == "cancelled"


async def test_job_that_is_cancelled_before_its_first_step_leaks_no_slot(
    idle_fake: FakeComfyUI,
) -> None:
    async with running(idle_fake.url) as service:
        for _ in range(5):
            job_id = await jobs_of(service).start()
            cancelled = await jobs_of(service).cancel(job_id)
            assert cancelled["state"] in ("cancelled", "done")
        await jobs_of(service).done(await jobs_of(service).start())
    await idle_fake.until(lambda: idle_fake.queue.remaining == 0)


async def test_job_that_is_cancelled_while_comfyui_takes_it_is_taken_out(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("slow_prompt", value=5)
    each_idle_fake.faults.set("hang")
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        await asyncio.wait_for(jobs.cancel(job_id), SOON)
    await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)


async def test_cancelling_twice_is_cancelling_once(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        replies = await asyncio.gather(jobs.cancel(job_id), jobs.cancel(job_id))
        assert [reply["state"] for reply in replies] == ["cancelled"] * 2
        assert [event.kind for event in await jobs.story(job_id)].count("cancelled") == 1


async def test_job_that_has_ended_stays_as_it_is(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        done = await jobs.done(job_id)
        assert await jobs.cancel(job_id) == done


async def test_cancelled_id_is_not_run_again(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        await jobs.cancel(job_id)
        reply = await jobs.put(job_id)
    assert (reply.status_code, reply.json()["state"]) == (200, "cancelled")


async def test_job_is_cancelled_while_its_file_is_fetched(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("slow_view", value=5)
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        await idle_fake.until(lambda: bool(idle_fake.requests_to("GET", "/view")))
        assert (await asyncio.wait_for(jobs.cancel(job_id), SOON))["state"] == "cancelled"


async def test_resumed_job_is_cancelled(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("hang")
    job_id = new_id()
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.put(job_id)
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.put(job_id, resume=True)
        assert (await jobs.cancel(job_id))["state"] == "cancelled"
    await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)


async def test_second_run_of_a_job_is_cancelled(each_idle_fake: FakeComfyUI) -> None:
    """It has another id in ComfyUI than the job's own."""
    each_idle_fake.faults.set("lost_prompt", count=1)
    each_idle_fake.faults.set("hang")
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        assert (await jobs.cancel(job_id))["state"] == "cancelled"
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)


@respx.mock
async def test_submission_that_comfyui_is_slow_to_take_is_cancelled_after_it_was_taken() -> None:
    """Cut off, it would be taken all the same, and nobody would take it out."""
    order, begun, release = [], asyncio.Event(), asyncio.Event()
    comfyui = ScriptedComfyUI(respx.mock, NOBODY, ScriptedComfyUI.accept)

    async def slow(request: httpx.Request) -> httpx.Response:
        begun.set()
        await release.wait()
        order.append("taken")
        return comfyui.accept(json.loads(request.content))

    def cancel(_: httpx.Request) -> httpx.Response:
        order.append("cancelled")
        return httpx.Response(200, json={"cancelled": True})

    respx.post(f"{NOBODY}/prompt").mock(side_effect=slow)
    respx.post(url__regex=rf"{NOBODY}/api/jobs/.*/cancel").mock(side_effect=cancel)
    async with running(NOBODY) as service:
        job_id = await jobs_of(service).start("selftest")
        await begun.wait()
        cancelling = asyncio.create_task(jobs_of(service).cancel(job_id))
        for _ in range(50):  # Turns of the loop: what would be cut off is cut off by then.
            await asyncio.sleep(0)
        release.set()
        assert (await cancelling)["state"] == "cancelled"
    assert order == ["taken", "cancelled"]
