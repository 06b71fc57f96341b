"""The first run that nobody waits for."""

import logging
from pathlib import Path

import pytest

from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.graphs import canvas, drop_in, saving
from tests.gpu_server.jobs import jobs_of
from tests.gpu_server.serving import running


def lines(caplog: pytest.LogCaptureFixture, start: str) -> list[str]:
    return [line for line in caplog.messages if line.startswith(start)]


async def test_workflow_is_run_once_with_few_steps_and_its_output_is_not_kept(
    each_fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(each_fake.url, warmup_workflow="free_generation") as service:
        await eventually(lambda: lines(caplog, "Warmed up"))
        [prompt] = each_fake.prompts
        reply = await service.http.get(f"/jobs/{prompt.prompt_id}")
        await jobs_of(service).done(await jobs_of(service).start("selftest"))
    assert each_fake.executed_prompts[0] == prompt.prompt_id
    assert len(each_fake.prompts) == 2
    steps = [node["inputs"]["steps"] for node in prompt.graph.values() if "steps" in node["inputs"]]
    assert steps == [2]
    assert reply.status_code == 404


@pytest.mark.parametrize("workflow", ["selftest", "image_to_image", "upscale"])
async def test_any_shipped_workflow_warms_up(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture, workflow: str
) -> None:
    async with running(fake.url, warmup_workflow=workflow):
        await eventually(lambda: lines(caplog, "Warmed up") or lines(caplog, "The warm-up"))
    assert lines(caplog, "Warmed up")


async def test_comfyui_that_has_restarted_is_warmed_up_again(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(fake.url, warmup_workflow="selftest"):
        await eventually(lambda: len(lines(caplog, "Warmed up")) == 1)
        await fake.restart()
        await eventually(lambda: len(lines(caplog, "Warmed up")) == 2)
    assert len(fake.prompts) == 2


async def test_connection_that_was_only_lost_is_no_reason(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(fake.url, warmup_workflow="selftest") as service:
        await eventually(lambda: len(lines(caplog, "Warmed up")) == 1)
        [prompt] = fake.prompts
        looks = len(fake.requests_to("GET", f"/history/{prompt.prompt_id}"))
        await fake.hub.close_all()
        path = f"/history/{prompt.prompt_id}"
        await eventually(lambda: len(fake.requests_to("GET", path)) > looks)
        await jobs_of(service).done(await jobs_of(service).start("selftest"))
    assert len(lines(caplog, "Warming up")) == 1


async def test_it_gives_way_to_the_first_job(
    each_fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    each_fake.faults.set("hang", count=1)
    async with running(each_fake.url, warmup_workflow="selftest") as service:
        await each_fake.until(lambda: each_fake.queue.running is not None)
        jobs = jobs_of(service)
        await jobs.done(await jobs.start("selftest"))
        await eventually(lambda: lines(caplog, "The warm-up has given way"))
    assert len(each_fake.prompts) == 2


async def test_there_is_none_where_there_are_jobs_already(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    fake.faults.set("refuse_ws")
    async with running(fake.url, warmup_workflow="selftest") as service:
        fake.faults.set("hang")
        jobs = jobs_of(service)
        job_id = await jobs.start("selftest")
        await fake.until(lambda: fake.queue.running is not None)
        fake.faults.clear("refuse_ws")
        await eventually(lambda: lines(caplog, "No warm-up"))
        fake.faults.clear()
        await jobs.done(job_id)
    assert len(fake.prompts) == 1


async def test_stop_takes_it_out_of_comfyui(fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with running(fake.url, warmup_workflow="selftest"):
        await fake.until(lambda: fake.queue.running is not None)
    await fake.until(lambda: fake.queue.remaining == 0)


async def test_failure_is_a_warning_that_says_what_to_do_and_jobs_go_on(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    fake.faults.set("execution_error", count=1)
    async with running(fake.url, warmup_workflow="selftest") as service:
        [line] = await eventually(lambda: lines(caplog, "The warm-up with 'selftest' failed"))
        await jobs_of(service).done(await jobs_of(service).start("selftest"))
    assert "WARMUP_WORKFLOW" in line
    assert [record.levelname for record in caplog.records if record.getMessage() == line] == [
        "WARNING"
    ]


async def test_workflow_that_does_not_exist_is_told_with_those_that_do(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(fake.url, warmup_workflow="selftets"):
        [line] = await eventually(lambda: lines(caplog, "The warm-up"))
    assert "selftest" in line
    ours = [record for record in caplog.records if record.name.startswith("gpu_server")]
    assert not [record for record in ours if record.levelno > logging.WARNING]


async def test_workflow_of_the_folder_is_run_as_it_is(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture, workflows: Path
) -> None:
    drop_in(workflows, "own", {"1": canvas(), "2": saving("1", "PreviewImage")})
    async with running(fake.url, workflows_path=workflows, warmup_workflow="own"):
        await eventually(lambda: lines(caplog, "Warmed up"))
    assert len(fake.prompts) == 1
