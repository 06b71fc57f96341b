"""ComfyUI killed in the middle of a job, and away for a while: real processes, real signals."""

from pathlib import Path

from tests.conditions import eventually
from tests.gpu_server.comfyui.processes import comfyui_process
from tests.gpu_server.graphs import INVERTED, drop_in
from tests.gpu_server.jobs import jobs_on
from tests.gpu_server.pictures import base64_of, decoded, drawn, encoded


async def test_job_of_a_comfyui_that_is_killed_is_run_by_the_next_one() -> None:
    async with comfyui_process("--fault", "hang") as comfyui, jobs_on(comfyui.url) as jobs:
        job_id = await jobs.start()
        await eventually(comfyui.is_running_a_job)
        await comfyui.kill()
        await comfyui.start()
        await comfyui.clear("hang")
        await jobs.done(job_id)
        state = await comfyui.state()
    [executed] = state["executed_prompts"]
    assert executed != job_id


async def test_waiting_job_of_a_comfyui_that_is_killed_is_run_by_the_next_one() -> None:
    async with comfyui_process("--fault", "hang") as comfyui, jobs_on(comfyui.url) as jobs:
        ids = [await jobs.start(), await jobs.start()]
        await eventually(comfyui.is_running_a_job)
        await comfyui.kill()
        await comfyui.start()
        await comfyui.clear("hang")
        for job_id in ids:
            await jobs.done(job_id)
        assert len((await comfyui.state())["executed_prompts"]) == 2


async def test_inputs_go_to_the_next_comfyui_too(workflows: Path) -> None:
    """It has an input folder of its own, and none of our uploads in it."""
    drop_in(workflows, "inverted", INVERTED)
    image = base64_of(encoded(drawn(color=(0, 0, 0))))
    async with (
        comfyui_process("--fault", "hang") as comfyui,
        jobs_on(comfyui.url, workflows_path=workflows) as jobs,
    ):
        job_id = await jobs.start("inverted", {"image": image})
        await eventually(comfyui.is_running_a_job)
        await comfyui.kill()
        await comfyui.start()
        await comfyui.clear("hang")
        [file] = await jobs.files(job_id)
        await jobs.files(await jobs.start("inverted", {"image": image}))
    assert decoded(file).getpixel((5, 5)) == (255, 255, 255)


async def test_comfyui_that_stays_away_ends_the_job_at_its_deadline() -> None:
    async with (
        comfyui_process("--fault", "hang") as comfyui,
        jobs_on(comfyui.url, job_timeout=1.0) as jobs,
    ):
        job_id = await jobs.start()
        await eventually(comfyui.is_running_a_job)
        await comfyui.kill()
        await jobs.failed(job_id, "comfyui_timeout")


async def test_job_after_the_killing_is_heard_of_again() -> None:
    async with comfyui_process() as comfyui, jobs_on(comfyui.url) as jobs:
        await jobs.done(await jobs.start())
        await comfyui.kill()
        await jobs.failed(await jobs.start(), "comfyui_unavailable")
        await comfyui.start()
        story = await jobs.story(await jobs.start())
    kinds = [event.kind for event in story]
    assert "progress" in kinds
    assert kinds[-1] == "done"
