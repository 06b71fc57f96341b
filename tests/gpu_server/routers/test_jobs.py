"""`/jobs`: a workflow run under the caller's id."""

import asyncio
import io

import pytest
from PIL import Image

from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import SMALL, jobs_of, jobs_on, new_id
from tests.gpu_server.serving import Service, problem, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATES = {"queued", "running", "done", "failed", "cancelled"}


async def test_put_starts_a_job_and_says_where_it_is(idle_fake: FakeComfyUI) -> None:
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        reply = await jobs.put(job_id)
        assert reply.status_code == 201, reply.text
        assert reply.headers["location"] == f"/jobs/{job_id}"
        assert reply.json()["state"] in STATES
        await jobs.done(job_id)


async def test_job_has_the_caller_s_id_in_comfyui_too(each_idle_fake: FakeComfyUI) -> None:
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start()
        await jobs.done(job_id)
    assert each_idle_fake.executed_prompts == [job_id]


async def test_same_id_again_is_the_same_job(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        assert (await jobs.put(job_id)).status_code == 200
        await jobs.done(job_id)
        again = await jobs.put(job_id)
        assert (again.status_code, again.json()) == (200, await jobs.get(job_id))
    assert len(idle_fake.prompts) == 1


async def test_same_id_in_another_spelling_is_the_same_job(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        assert (await jobs.put(job_id.upper())).status_code == 200
        await jobs.done(job_id)


@pytest.mark.parametrize(
    "change",
    [
        {"params": {**SMALL, "steps": 5}},
        {"workflow": "selftest", "params": SMALL},
        {"keep_metadata": True},
        {"output_format": "jpeg"},
        {"output_quality": 50},
    ],
    ids=str,
)
async def test_same_id_with_another_body_is_409(
    idle_fake: FakeComfyUI, change: dict[str, object]
) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        reply = await jobs.put(job_id, **change)  # type: ignore[arg-type]
        assert job_id in problem(reply, 409, "job_conflict")["detail"]
        await jobs.done(job_id)


async def test_resume_is_no_part_of_what_was_asked_for(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = await jobs.start()
        assert (await jobs.put(job_id, resume=True)).status_code == 200


async def test_two_at_once_make_one_job(idle_fake: FakeComfyUI) -> None:
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        replies = await asyncio.gather(*(jobs.put(job_id) for _ in range(8)))
        await jobs.done(job_id)
    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [201]
    assert len(idle_fake.prompts) == 1


async def test_two_at_once_make_one_job_where_one_slot_is_left(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        first = await jobs.start()
        replies = await asyncio.gather(jobs.put(job_id), jobs.put(job_id))
        assert sorted(reply.status_code for reply in replies) == [200, 201]
        idle_fake.faults.clear()
        await jobs.done(first)
        await jobs.done(job_id)


async def test_two_bodies_at_once_take_one_slot(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        replies = await asyncio.gather(jobs.put(job_id), jobs.put(job_id, "selftest"))
        assert sorted(reply.status_code for reply in replies) == [201, 409]
        await jobs.start()
        problem(await jobs.put(new_id()), 429, "no_free_slot")


async def test_first_of_two_that_is_refused_leaves_the_id_to_the_second(
    idle_fake: FakeComfyUI,
) -> None:
    job_id = new_id()
    async with jobs_on(idle_fake.url) as jobs:
        refused, started = await asyncio.gather(jobs.put(job_id, "missing"), jobs.put(job_id))
        assert (refused.status_code, started.status_code) == (404, 201)
        await jobs.done(job_id)


async def test_no_slot_is_429_with_retry_after(idle_fake: FakeComfyUI) -> None:
    """Design §5: one more than may run is prepared."""
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url, max_concurrent_tasks=2) as jobs:
        for _ in range(3):
            await jobs.start()
        reply = await jobs.put(new_id())
    document = problem(reply, 429, "no_free_slot")
    assert document["retryable"] is True
    assert int(reply.headers["retry-after"]) > 0


async def test_known_job_needs_no_slot(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with jobs_on(idle_fake.url) as jobs:
        known = [await jobs.start(), await jobs.start()]
        assert (await jobs.put(known[0])).status_code == 200


async def test_slot_is_free_again_when_a_job_has_ended(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        for _ in range(5):
            await jobs.done(await jobs.start())


@pytest.mark.parametrize("job_id", ["1", "not-a-uuid", "%00", "x" * 36])
async def test_id_that_is_no_uuid_is_422(engine: Service, job_id: str) -> None:
    problem(await jobs_of(engine).put(job_id), 422, "validation_error")


async def test_wrong_parameter_is_422_and_makes_no_job(idle_fake: FakeComfyUI) -> None:
    job_id = new_id()
    async with running(idle_fake.url) as service:
        reply = await jobs_of(service).put(job_id, params={**SMALL, "steps": 0})
        assert problem(reply, 422, "invalid_parameter")["parameter"] == "steps"
        problem(await service.http.get(f"/jobs/{job_id}"), 404, "job_not_found")
    assert idle_fake.prompts == []


@pytest.mark.parametrize("path", ["", "/events", "/outputs/0"])
async def test_unknown_job_is_404(engine: Service, path: str) -> None:
    problem(await engine.http.get(f"/jobs/{new_id()}{path}"), 404, "job_not_found")


async def test_unknown_job_cannot_be_cancelled(engine: Service) -> None:
    problem(await engine.http.delete(f"/jobs/{new_id()}"), 404, "job_not_found")


async def test_job_tells_what_it_runs_with(idle_fake: FakeComfyUI) -> None:
    """Design §6: seeds that are left out are drawn by us and reported."""
    async with jobs_on(idle_fake.url) as jobs:
        job = await jobs.done(await jobs.start())
    assert {**SMALL, "seed": job["values"]["seed"]} == job["values"]
    assert idle_fake.prompts[0].graph["3"]["inputs"]["seed"] == job["values"]["seed"]


async def test_same_id_draws_the_same_seed_in_another_process(idle_fake: FakeComfyUI) -> None:
    """A job that is run again after a crash is the same job."""
    job_id, seeds = new_id(), []
    for _ in range(2):
        async with jobs_on(idle_fake.url) as jobs:
            await jobs.put(job_id)
            seeds.append((await jobs.done(job_id))["values"]["seed"])
    assert seeds[0] == seeds[1]


async def test_output_is_the_file_s_bytes_with_its_type(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        job = await jobs_of(service).done(await jobs_of(service).start())
        [output] = job["outputs"]
        reply = await service.http.get(output["url"])
    assert reply.headers["content-type"] == output["content_type"] == "image/png"
    assert len(reply.content) == output["size"]
    with Image.open(io.BytesIO(reply.content)) as image:
        assert image.size == (64, 64)


@pytest.mark.parametrize("number", ["1", "-1", "99999999999999999999"])
async def test_output_that_is_none_is_404(idle_fake: FakeComfyUI, number: str) -> None:
    async with running(idle_fake.url) as service:
        job_id = await jobs_of(service).start()
        await jobs_of(service).done(job_id)
        reply = await service.http.get(f"/jobs/{job_id}/outputs/{number}")
    problem(reply, 404, "output_not_found")


async def test_running_job_has_no_output_yet(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with running(idle_fake.url) as service:
        job_id = await jobs_of(service).start()
        reply = await service.http.get(f"/jobs/{job_id}/outputs/0")
    problem(reply, 404, "output_not_found")


async def test_failed_job_has_a_problem_document(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("execution_error")
    async with jobs_on(idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_execution_failed")
    assert {"type", "title", "status", "detail", "code", "retryable"} <= set(error)


async def test_stub_s_job_is_a_placeholder_that_passes_for_no_image(stub: Service) -> None:
    """Design §2."""
    jobs = jobs_of(stub)
    job = await jobs.done(await jobs.start("anything", {"x": 1}))
    [output] = job["outputs"]
    reply = await stub.http.get(output["url"])
    assert reply.content == b"dummy_base64_placeholder"
    assert reply.headers["content-type"].startswith("text/x-placeholder")
    assert job["values"] == {"x": 1}


async def test_generate_takes_a_slot_of_its_own_beside_the_jobs(idle_fake: FakeComfyUI) -> None:
    """The specification's call waits for a slot where a job is refused."""
    idle_fake.faults.set("hang")
    async with running(idle_fake.url) as service:
        known = [await jobs_of(service).start() for _ in range(2)]
        request = asyncio.create_task(service.generate("selftest"))
        await eventually(lambda: len(idle_fake.prompts) == 2)
        idle_fake.faults.clear()
        reply = await request
        assert (reply.status_code, reply.json()["status"]) == (200, "done")
        for job_id in known:
            await jobs_of(service).done(job_id)


async def test_openapi_document_describes_the_jobs(stub: Service) -> None:
    paths = (await stub.http.get("/openapi.json")).json()["paths"]
    assert set(paths["/jobs/{job_id}"]) == {"get", "put", "delete"}
    assert {"/jobs/{job_id}/events", "/jobs/{job_id}/outputs/{number}"} <= set(paths)
