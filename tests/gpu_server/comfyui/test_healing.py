"""What goes wrong in ComfyUI, or between it and us, and is set right by us."""

import asyncio
from pathlib import Path

import pytest

from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.comfyui.freezing import freezing_proxy
from tests.gpu_server.graphs import canvas, drop_in, saving
from tests.gpu_server.jobs import SMALL, jobs_of, jobs_on, new_id
from tests.gpu_server.serving import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


def submitted(fake: FakeComfyUI) -> list[str]:
    return [prompt.prompt_id for prompt in fake.prompts]


@pytest.mark.parametrize("times", [1, 2])
async def test_job_that_comfyui_lost_in_a_restart_is_submitted_again(
    each_idle_fake: FakeComfyUI, times: int
) -> None:
    each_idle_fake.faults.set("restart", count=times)
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await jobs.done(job_id)
    assert len(set(submitted(each_idle_fake))) == times + 1
    assert submitted(each_idle_fake)[0] == job_id
    assert len(each_idle_fake.executed_prompts) == 1


async def test_job_that_comfyui_loses_again_and_again_is_lost(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("restart")
    async with jobs_on(idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_lost_job")
    assert error["retryable"] is True
    assert "its log" in error["detail"]
    assert len(idle_fake.prompts) == 3


async def test_job_that_was_taken_and_never_heard_of_is_submitted_again(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("lost_prompt", count=1)
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.done(await jobs.start())
    assert len(each_idle_fake.executed_prompts) == 1


async def test_progress_is_told_again_after_a_restart(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("restart", count=1)
    async with jobs_on(idle_fake.url) as jobs:
        story = await jobs.story(await jobs.start(params={**SMALL, "steps": 20}))
    values = [event.data["progress"] for event in story if event.kind == "progress"]
    assert values == sorted(values)
    assert [event.kind for event in story].count("started") == 1


async def test_running_out_of_memory_is_tried_once_more_with_it_freed(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("oom", count=1)
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.done(await jobs.start())
    [freeing] = each_idle_fake.requests_to("POST", "/free")
    assert freeing.json == {"unload_models": True, "free_memory": True}
    assert len(each_idle_fake.prompts) == 2


async def test_running_out_of_memory_twice_is_a_failure(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("oom")
    async with jobs_on(idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_execution_failed")
    assert "memory" in error["detail"]
    assert len(idle_fake.prompts) == 2


async def test_any_other_failure_is_not_tried_again(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("execution_error")
    async with jobs_on(idle_fake.url) as jobs:
        await jobs.failed(await jobs.start(), "comfyui_execution_failed")
    assert len(idle_fake.prompts) == 1


async def test_failure_that_comfyui_calls_a_success_is_a_failure(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("error_inside_success")
    async with jobs_on(each_idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_execution_failed")
    assert "Dependency cycle detected" in error["detail"]


async def test_graph_that_is_accepted_in_part_is_refused(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("node_errors")
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.failed(await jobs.start(), "comfyui_rejected")
    await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)


async def test_graph_that_comfyui_has_cached_yields_its_files_each_time(
    each_idle_fake: FakeComfyUI,
) -> None:
    params = {**SMALL, "seed": 7}
    async with jobs_on(each_idle_fake.url) as jobs:
        first, second = [await jobs.files(await jobs.start(params=params)) for _ in range(2)]
    assert first == second
    last = each_idle_fake.prompts[-1].prompt_id
    assert [node for job, node in each_idle_fake.executed_nodes if job == last] == ["9"]


async def test_graph_with_no_save_node_that_is_cached_still_yields_its_files(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    drop_in(workflows, "preview", {"1": canvas(), "2": saving("1", "PreviewImage")})
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        first, second = [await jobs.files(await jobs.start("preview")) for _ in range(2)]
    assert first == second


async def test_job_left_by_a_stop_is_found_again_and_not_run_twice(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("hang")
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
    assert each_idle_fake.queue.running is not None
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.put(job_id, resume=True)
        each_idle_fake.faults.clear()
        await jobs.files(job_id)
    assert submitted(each_idle_fake) == [job_id]
    assert each_idle_fake.executed_prompts == [job_id]


async def test_job_that_ended_while_nobody_looked_is_found_again(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("hang")
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
    each_idle_fake.faults.clear()
    await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)
    async with jobs_on(each_idle_fake.url) as jobs:
        await jobs.put(job_id, resume=True)
        assert len(await jobs.files(job_id)) == 1
    assert submitted(each_idle_fake) == [job_id]


async def test_job_that_waits_in_comfyui_is_found_again(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url) as jobs:
        ids = [await jobs.start(), await jobs.start()]
        await idle_fake.until(lambda: idle_fake.queue.remaining == 2)
    async with jobs_on(idle_fake.url) as jobs:
        for job_id in ids:
            await jobs.put(job_id, resume=True)
        idle_fake.faults.clear()
        for job_id in ids:
            await jobs.done(job_id)
    assert sorted(idle_fake.executed_prompts) == sorted(ids)


async def test_second_run_of_a_job_is_found_again_too(idle_fake: FakeComfyUI) -> None:
    """ComfyUI had lost it once, before we were stopped."""
    idle_fake.faults.set("lost_prompt", count=1)
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        await idle_fake.until(lambda: idle_fake.queue.running is not None)
    async with jobs_on(idle_fake.url) as jobs:
        await jobs.put(job_id, resume=True)
        idle_fake.faults.clear()
        await jobs.done(job_id)
    assert len(idle_fake.executed_prompts) == 1
    assert len(idle_fake.prompts) == 2


async def test_job_that_comfyui_does_not_know_is_run_by_a_resumption(
    idle_fake: FakeComfyUI,
) -> None:
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        await jobs.put(job_id, resume=True)
        await jobs.done(job_id)
    assert idle_fake.executed_prompts == [job_id]


async def test_resumed_job_that_had_failed_has_failed(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("execution_error", count=1)
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        await jobs.failed(job_id, "comfyui_execution_failed")
    async with jobs_on(idle_fake.url) as jobs:
        await jobs.put(job_id, resume=True)
        await jobs.failed(job_id, "comfyui_execution_failed")
    assert submitted(idle_fake) == [job_id]


async def test_resumption_waits_until_comfyui_says_whether_it_has_the_job(
    idle_fake: FakeComfyUI,
) -> None:
    """To run it unasked would be to run it twice."""
    idle_fake.faults.set("hang")
    async with freezing_proxy(idle_fake.url) as proxy:
        async with jobs_on(proxy.url) as jobs:
            job_id = await jobs.start()
            await idle_fake.until(lambda: idle_fake.queue.running is not None)
        async with jobs_on(proxy.url) as jobs:
            proxy.bad_gateway = True
            before = proxy.refused
            await jobs.put(job_id, resume=True)
            await idle_fake.until(lambda: proxy.refused > before)
            proxy.bad_gateway = False
            idle_fake.faults.clear()
            await jobs.done(job_id)
    assert idle_fake.executed_prompts == [job_id]


async def test_job_of_the_blocking_call_is_not_left_behind_by_a_stop(
    each_idle_fake: FakeComfyUI,
) -> None:
    """Nobody knows its id."""
    each_idle_fake.faults.set("hang")
    async with running(each_idle_fake.url) as service:
        request = asyncio.create_task(service.generate("selftest"))
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        service.state.jobs.stop()
        assert (await request).status_code == 503
    await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)


async def test_stop_ends_the_stream_of_a_job_that_goes_on(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with running(idle_fake.url) as service:
        jobs = jobs_of(service)
        job_id = await jobs.start()
        reading = asyncio.create_task(jobs.story(job_id))
        await eventually(lambda: service.state.jobs.get(job_id).state.value == "running")
        service.state.jobs.stop()
        assert {event.kind for event in await reading} <= {"queued", "started", "progress"}


async def test_job_is_refused_after_the_stop(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        service.state.jobs.stop()
        reply = await jobs_of(service).put(new_id())
    assert (reply.status_code, reply.json()["code"]) == (503, "service_stopping")
    assert int(reply.headers["retry-after"]) > 0
