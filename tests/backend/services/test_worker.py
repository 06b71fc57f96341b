"""The background worker, between a real store and the GPU service over the wire."""

import anyio
import httpx
import pytest

from backend.clients.gpu_client import GPUClient
from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import GPUService as Service
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.pace import Pace
from backend.services.worker import TaskWorker
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests import plain_http
from tests.backend.gpu_service import FakeJob, GPUService, Made, a_picture, at_once
from tests.backend.making import kept, picture, queued
from tests.backend.services.working import MakeRunner, Working, ended
from tests.conditions import eventually


async def test_task_is_sent_as_it_is(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    await queued(store, workflow="upscale", params={"prompt": "p", "steps": 3})
    async with working():
        await ended(store)
    [job] = gpu.jobs
    assert job.sent == {
        "workflow": "upscale",
        "params": {"prompt": "p", "steps": 3},
        "resume": False,
    }


async def test_job_is_asked_for_as_a_story(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    await queued(store)
    async with working():
        task = await ended(store)
    assert gpu.put.calls.last.request.headers["Accept"] == "text/event-stream"
    assert gpu.jobs[0].id == task.job_id


async def test_image_is_kept_before_the_task_is_done(
    store: SQLiteTaskStore, outputs: LocalOutputStore, gpu: GPUService, working: Working
) -> None:
    gpu.makes = [a_picture()]
    await queued(store)
    async with working():
        task = await ended(store)
    assert task.state is TaskState.DONE
    assert await outputs.read("t1", task.outputs[0]) == picture()


@pytest.mark.parametrize("word", ["dummy_base64_placeholder", "plätzhalter", "a b"])
async def test_placeholder_is_kept_as_the_word_it_is(
    store: SQLiteTaskStore, outputs: LocalOutputStore, gpu: GPUService, working: Working, word: str
) -> None:
    gpu.makes = [Made(word.encode(), "text/x-placeholder", "placeholder")]
    await queued(store)
    async with working():
        task = await ended(store)
    assert task.outputs[0].content_type == "text/x-placeholder"
    assert await outputs.read("t1", task.outputs[0]) == word.encode()


async def test_every_output_is_kept_in_its_order(
    store: SQLiteTaskStore, outputs: LocalOutputStore, gpu: GPUService, working: Working
) -> None:
    gpu.makes = [
        a_picture(),
        Made(b"film", "video/mp4", "film.mp4"),
        Made(b"a word", "text/plain; charset=utf-8", "9_1.txt"),
    ]
    await queued(store)
    async with working():
        task = await ended(store)
    job = str(task.job_id)[:8]
    assert [(each.file, each.content_type, each.size) for each in task.outputs] == [
        (f"0-{job}.png", "image/png", len(picture())),
        (f"1-{job}.mp4", "video/mp4", 4),
        (f"2-{job}.txt", "text/plain; charset=utf-8", 6),
    ]
    assert [await outputs.read("t1", each) for each in task.outputs] == [
        picture(),
        b"film",
        b"a word",
    ]


async def test_what_it_ran_with_is_kept(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    def draws_a_seed(job: FakeJob) -> None:
        job.values = {"prompt": "p", "seed": 7}
        at_once(job)

    gpu.answers(draws_a_seed)
    await queued(store)
    async with working():
        assert (await ended(store)).values == {"prompt": "p", "seed": 7}


async def test_waking_starts_a_task_at_once(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    await queued(store, "first")
    async with working(pace=Pace(idle=60)) as worker:
        await ended(store, "first")
        await anyio.wait_all_tasks_blocked()  # It has looked again, and found nothing.
        await queued(store, "second")
        worker.wake()
        assert (await ended(store, "second")).state is TaskState.DONE


async def test_tasks_go_in_the_order_they_came(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    for name in ("c", "a", "b"):
        await queued(store, name, params={"prompt": name})
    async with working():
        await ended(store, "b")
    assert [job.sent["params"]["prompt"] for job in gpu.jobs] == ["c", "a", "b"]


@pytest.mark.parametrize("slots", [1, 2])
async def test_as_many_run_at_once_as_there_are_slots(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, slots: int
) -> None:
    gpu.holds()
    for name in ("a", "b", "c"):
        await queued(store, name)
    async with working(slots=slots):
        await eventually(lambda: len(gpu.jobs) == slots)
        states = [(await kept(store, name)).state for name in ("a", "b", "c")]
    assert states.count(TaskState.RUNNING) == slots


async def test_end_is_announced(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub
) -> None:
    await queued(store)
    with live.watch("t1") as watch:
        async with working():
            with anyio.fail_after(5):
                await watch.ended.wait()
            assert (await kept(store)).state is TaskState.DONE


async def test_failure_keeps_the_gpu_service_s_reason(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(lambda job: job.fail(code="comfyui_execution_failed", detail="KSampler: no."))
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.state, task.error, task.error_code) == (
        TaskState.FAILED,
        "KSampler: no.",
        "comfyui_execution_failed",
    )
    assert len(gpu.jobs) == 1


async def test_failure_without_a_reason_has_failed(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    def silently(job: FakeJob) -> None:
        job.state = "failed"
        job.end("failed")

    gpu.answers(silently)
    await queued(store)
    async with working():
        task = await ended(store)
    assert task.state is TaskState.FAILED
    assert task.error == "The GPU service gave no image and no reason."


async def test_job_that_somebody_else_cancelled_is_a_cancelled_task(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(FakeJob.cancel)
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.state, task.error) == (TaskState.CANCELLED, None)


UNREADABLE = {
    "no JSON": b"event: done\ndata: {\n\n",
    "no object": b"event: progress\ndata: [1]\n\n",
    "no job": b"event: done\ndata: {}\n\n",
    "no number": b'event: progress\ndata: {"progress": "half"}\n\n',
}


@pytest.mark.parametrize("event", UNREADABLE.values(), ids=UNREADABLE)
async def test_event_that_cannot_be_read_is_the_gpu_service_s_fault(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, event: bytes
) -> None:
    gpu.answers(lambda job: job.wire.put(event))
    await queued(store)
    async with working(max_attempts=1):
        task = await ended(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "gpu_service_error")


async def test_answer_that_is_no_story_has_failed(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(httpx.Response(200, json={"state": "done"}))
    await queued(store)
    async with working(max_attempts=1):
        task = await ended(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "gpu_service_error")


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_refusal_is_not_repeated(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, status: int
) -> None:
    refusal = {"code": "invalid_parameter", "detail": "steps is 0, at least 1.", "retryable": False}
    gpu.answers(httpx.Response(status, json=refusal))
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.error, task.error_code) == ("steps is 0, at least 1.", "invalid_parameter")
    assert gpu.put.call_count == 1


async def test_timeout_is_not_repeated_and_says_what_to_do(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, make_runner: MakeRunner
) -> None:
    gpu.holds()
    await queued(store)
    async with working(runner=make_runner(0.1)):
        task = await ended(store)
    assert task.error_code == "gpu_service_timeout"
    assert task.error is not None
    assert "within 0.1 s" in task.error
    assert "raise REQUEST_TIMEOUT" in task.error
    assert gpu.put.call_count == 1


async def test_reason_with_an_unpaired_surrogate_does_not_stop_the_worker(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    refusal = b'{"code": "comfyui_rejected", "detail": "no file a\\udcff", "retryable": false}'
    gpu.answers(httpx.Response(422, content=refusal))
    await queued(store)
    async with working() as worker:
        task = await ended(store)
        assert worker.alive
    assert task.error == "no file a\\udcff"


async def test_bug_fails_that_task_only(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(RuntimeError("odd"))
    for name in ("a", "b"):
        await queued(store, name)
    async with working() as worker:
        assert (await ended(store, "a")).error_code == "bug"
        assert (await ended(store, "b")).state is TaskState.DONE
        assert worker.alive


async def test_dead_loop_is_not_silent(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.answers(httpx.ConnectError("refused"))
    gpu.workflows.side_effect = RuntimeError("nobody expects this")
    await queued(store)
    async with working() as worker:
        await eventually(lambda: "worker of http://gpu.test:8001, slot 0 has died" in caplog.text)
        assert not worker.alive


async def test_gpu_service_without_a_catalogue_does_not_stop_the_worker(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(httpx.ConnectError("refused"))
    gpu.workflows.respond(404)
    await queued(store)
    async with working() as worker:
        assert (await ended(store)).state is TaskState.DONE
        assert worker.alive
    assert gpu.workflows.called


async def test_url_that_is_none_does_not_stop_the_worker(
    store: SQLiteTaskStore,
    outputs: LocalOutputStore,
    live: LiveHub,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await queued(store)
    async with plain_http.AsyncClient() as http:
        service = Service(GPUClient(http, "http://gpu:port"))
        runner = AttemptRunner(service.client, outputs, live, 180)
        services = GPUServices([service])
        worker = TaskWorker(store, services, service, runner, live, slots=1, max_attempts=1)
        async with worker:
            await eventually(lambda: "set GPU_SERVICE_URL" in caplog.text)
            assert worker.alive
    assert (await kept(store)).state is TaskState.QUEUED
