"""Following a job: it always ends, and says how far it is."""

import asyncio
import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from gpu_server.services.event_log import EventKind, JobEvent
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.graphs import canvas, drop_in, saving
from tests.gpu_server.jobs import SMALL, jobs_of, jobs_on
from tests.gpu_server.serving import Service, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = 0.3


async def live(service: Service, job_id: str) -> list[JobEvent]:
    """All events, read as they happen."""
    return [event async for event in service.state.jobs.get(job_id).events.read()]


async def test_deadline_ends_a_job_that_hangs(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("hang")
    async with jobs_on(each_idle_fake.url, job_timeout=SHORT) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_timeout")
    assert "JOB_TIMEOUT" in error["detail"]
    await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)


async def test_workflow_s_own_timeout_goes_before_the_setting(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    drop_in(workflows, "quick", {"1": canvas(), "2": saving("1")}, timeout=SHORT)
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url, workflows_path=workflows) as jobs:
        error = await jobs.failed(await jobs.start("quick"), "comfyui_timeout")
    assert f"{SHORT:g} s" in error["detail"]


async def test_workflow_s_own_timeout_may_be_longer_than_the_setting(workflows: Path) -> None:
    drop_in(workflows, "slow", {"1": canvas(), "2": saving("1")}, timeout=5)
    async with (
        running_fake(job_seconds=0.5) as fake,
        jobs_on(fake.url, workflows_path=workflows, job_timeout=0.2) as jobs,
    ):
        await jobs.done(await jobs.start("slow"))


async def test_deadline_counts_anew_from_the_job_s_start() -> None:
    """Nobody pays for the job before."""
    async with running_fake(job_seconds=0.8) as fake, jobs_on(fake.url, job_timeout=1.5) as jobs:
        first, second = await jobs.start(), await jobs.start()
        await jobs.done(first)
        await jobs.done(second)


async def test_deadline_is_kept_by_a_job_that_waits_for_its_turn(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with (
        jobs_on(idle_fake.url) as others,
        jobs_on(idle_fake.url, job_timeout=SHORT) as jobs,
    ):
        before = await others.start()
        await idle_fake.until(lambda: idle_fake.queue.running is not None)
        await jobs.failed(await jobs.start(), "comfyui_timeout")
        assert [idle_fake.queue.remaining, idle_fake.queue.pending] == [1, []]
        idle_fake.faults.clear()
        await others.done(before)


async def test_previews_are_passed_on_as_images() -> None:
    async with (
        running_fake(job_seconds=0.3, faults=["previews"]) as fake,
        running(fake.url) as service,
    ):
        job_id = await jobs_of(service).start()
        events = await live(service, job_id)
    previews = [event.data for event in events if event.kind is EventKind.PREVIEW]
    with Image.open(io.BytesIO(base64.b64decode(previews[0]["image"]))) as image:
        image.load()
        assert previews[0]["content_type"] == Image.MIME[str(image.format)]


@pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
async def test_previews_come_at_most_four_times_a_second(version: str) -> None:
    loop = asyncio.get_running_loop()
    async with (
        running_fake(version=version, job_seconds=0.7, faults=["previews"]) as fake,
        running(fake.url) as service,
    ):
        began = loop.time()
        job_id = await jobs_of(service).start(params={**SMALL, "steps": 60})
        events = await live(service, job_id)
        took = loop.time() - began
    previews = [event for event in events if event.kind is EventKind.PREVIEW]
    assert 1 < len(previews) <= took * 4 + 1


async def test_progress_names_the_node_that_runs() -> None:
    async with running_fake(job_seconds=1.0) as fake, running(fake.url) as service:
        job_id = await jobs_of(service).start(params={**SMALL, "steps": 10})
        events = await live(service, job_id)
    told = [event.data for event in events if event.kind is EventKind.PROGRESS]
    assert ("3", "Sampler") in [(each["node_id"], each["node_title"]) for each in told]


async def test_sampler_s_steps_are_parts_of_its_node() -> None:
    async with running_fake(job_seconds=0.6) as fake, running(fake.url) as service:
        jobs = jobs_of(service)
        job_id = await jobs.start(params={**SMALL, "steps": 10})
        events = await live(service, job_id)
    values = [event.data["progress"] for event in events if event.kind is EventKind.PROGRESS]
    inside = {value for value in values if 4 / 7 < value < 5 / 7}
    assert len(inside) >= 3


async def test_what_is_cached_is_no_part_of_the_progress() -> None:
    """The second time only the sampler, which has another seed, and what follows it run."""
    async with running_fake(job_seconds=0.4) as fake, running(fake.url) as service:
        jobs = jobs_of(service)
        await jobs.done(await jobs.start(params={**SMALL, "seed": 1}))
        events = await live(service, await jobs.start(params={**SMALL, "seed": 2}))
    values = [event.data["progress"] for event in events if event.kind is EventKind.PROGRESS]
    sampling = [value for value in values if value > 0]
    assert sampling[0] <= 1 / 3


async def test_duplicate_events_count_once(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("duplicate_events")
    async with jobs_on(each_idle_fake.url) as jobs:
        story = await jobs.story(await jobs.start())
    kinds = [event.kind for event in story]
    assert (kinds.count("started"), kinds.count("output"), kinds[-1]) == (1, 1, "done")


@pytest.mark.parametrize("fault", ["refuse_ws", "drop_ws", "no_executed_event", "late_history"])
async def test_job_is_done_whatever_becomes_of_the_socket(
    each_idle_fake: FakeComfyUI, fault: str
) -> None:
    each_idle_fake.faults.set(fault)
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await jobs.done(job_id)
    assert each_idle_fake.executed_prompts == [job_id]


async def test_started_is_told_where_nothing_is_heard(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("refuse_ws")
    idle_fake.faults.set("hang")
    async with running(idle_fake.url) as service:
        job_id = await jobs_of(service).start()
        events = service.state.jobs.get(job_id).events.read()
        async for event in events:
            if event.kind is EventKind.STARTED:
                break
        idle_fake.faults.clear("hang")
        await jobs_of(service).done(job_id)


async def test_later_jobs_are_heard_again_after_the_socket_was_lost(
    idle_fake: FakeComfyUI,
) -> None:
    idle_fake.faults.set("drop_ws", count=1)
    async with jobs_on(idle_fake.url) as jobs:
        await jobs.done(await jobs.start())
        story = await jobs.story(await jobs.start(params={**SMALL, "steps": 20}))
    assert [event.kind for event in story if event.kind == "progress"]


async def test_socket_refused_costs_a_job_no_second(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("refuse_ws")
    loop = asyncio.get_running_loop()
    async with jobs_on(idle_fake.url) as jobs:
        began = loop.time()
        await jobs.done(await jobs.start())
    assert loop.time() - began < 0.9
