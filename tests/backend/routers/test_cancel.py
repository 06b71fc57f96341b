"""`DELETE /tasks/{task_id}`."""

from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import FakeJob, GPUService, a_picture
from tests.backend.serving import ended, running, serving
from tests.conditions import eventually

REQUEST = {"mode": "free", "prompt": "p"}


async def post(client: httpx.AsyncClient) -> str:
    task_id: str = (await client.post("/generate", json=REQUEST)).json()["task_id"]
    return task_id


async def started(client: httpx.AsyncClient, gpu: GPUService) -> str:
    gpu.always(FakeJob.start)
    task_id = await post(client)
    await eventually(lambda: gpu.jobs)
    return task_id


async def shown(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = (await client.get(f"/tasks/{task_id}")).json()
    return task


async def test_queued_task_is_never_sent(gpu: GPUService, settings: Settings) -> None:
    release = gpu.holds()
    async with serving(settings, worker_concurrency=1) as client:
        first = await post(client)
        await eventually(running(client, first))
        second, third = await post(client), await post(client)
        reply = await client.delete(f"/tasks/{second}")
        assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
        release.set()
        await ended(client, third)
        assert (await shown(client, second))["status"] == "cancelled"
    assert len(gpu.arrived) == 2
    assert gpu.cancelled == []


async def test_queued_task_that_is_cancelled_leaves_its_place(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.holds()
    async with serving(settings, worker_concurrency=1) as client:
        await eventually(running(client, await post(client)))
        second, third = await post(client), await post(client)
        await client.delete(f"/tasks/{second}")
        assert (await shown(client, third))["queue_position"] == 0
        assert (await shown(client, second))["queue_position"] is None


async def test_running_task_s_job_is_taken_off_the_gpu(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    task_id = await started(client, gpu)
    reply = await client.delete(f"/tasks/{task_id}")
    assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    assert gpu.cancelled == [gpu.jobs[0].id]


async def test_cancelled_task_has_an_end_and_no_image_and_no_error(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    task_id = await started(client, gpu)
    task = (await client.delete(f"/tasks/{task_id}")).json()
    assert task["finished_at"] is not None
    assert (task["image"], task["error"], task["error_code"]) == (None, None, None)
    assert (task["progress"], task["node"], task["outputs"]) == (0.0, None, [])


async def test_worker_goes_on_after_a_cancelled_task(
    gpu: GPUService, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(settings, worker_concurrency=1) as client:
        task_id = await started(client, gpu)
        await client.delete(f"/tasks/{task_id}")
        await eventually(lambda: f"{task_id}: late result of attempt 1 dropped" in caplog.text)
        gpu.always(lambda job: job.finish())
        assert (await ended(client, await post(client)))["status"] == "done"


async def test_result_that_comes_all_the_same_is_dropped(
    gpu: GPUService, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.delete.side_effect = None
    gpu.delete.respond(200, json={})
    gpu.makes = [a_picture()]
    task_id = await started(client, gpu)
    await client.delete(f"/tasks/{task_id}")
    gpu.jobs[0].finish()
    await eventually(lambda: "late result of attempt 1 dropped" in caplog.text)
    task = await shown(client, task_id)
    assert (task["status"], task["image"], task["outputs"]) == ("cancelled", None, [])


async def test_connection_lost_after_the_cancel_brings_nothing_back(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.delete.side_effect = httpx.ConnectError("refused")
    async with serving(settings, worker_concurrency=1) as client:
        task_id = await started(client, gpu)
        await client.delete(f"/tasks/{task_id}")
        gpu.jobs[0].break_off()
        gpu.always(lambda job: job.finish())
        await ended(client, await post(client))
        assert (await shown(client, task_id))["status"] == "cancelled"
    assert gpu.arrived.count(gpu.jobs[0].id) == 1


async def test_client_that_waits_is_woken(
    gpu: GPUService, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.always(FakeJob.start)
    replies: list[httpx.Response] = []

    async def ask() -> None:
        headers = {"Prefer": "wait=90"}
        replies.append(await client.post("/generate", json=REQUEST, headers=headers, timeout=90))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            [queued] = await eventually(
                lambda: [each for each in caplog.messages if " queued: " in each]
            )
            await eventually(lambda: gpu.jobs)
            await client.delete(f"/tasks/{queued.split()[1]}")
    assert (replies[0].status_code, replies[0].json()["status"]) == (200, "cancelled")


async def test_ended_task_stays_as_it_is(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    before = await ended(client, task_id)
    reply = await client.delete(f"/tasks/{task_id}")
    assert (reply.status_code, reply.json()) == (200, before)
    assert gpu.cancelled == []


async def test_failed_task_stays_as_it_is(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.answers(FakeJob.fail)
    task_id = await post(client)
    before = await ended(client, task_id)
    assert (await client.delete(f"/tasks/{task_id}")).json() == before


async def test_second_cancel_changes_nothing(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task_id = await started(client, gpu)
    first = (await client.delete(f"/tasks/{task_id}")).json()
    assert (await client.delete(f"/tasks/{task_id}")).json() == first
    assert len(gpu.cancelled) == 1


async def test_unknown_task_is_404(client: httpx.AsyncClient) -> None:
    reply = await client.delete("/tasks/nope")
    assert (reply.status_code, reply.json()["code"]) == (404, "task_not_found")


AWAY: dict[str, Any] = {
    "refused": httpx.ConnectError("refused"),
    "silent": httpx.ReadTimeout("silent"),
    "broken": httpx.ReadError("broke off"),
    "unknown there": httpx.Response(404, json={"code": "job_not_found", "detail": "no"}),
    "503": httpx.Response(503),
    "no JSON": httpx.Response(200, text="cancelled"),
}


@pytest.mark.parametrize("trouble", AWAY.values(), ids=AWAY)
async def test_task_is_cancelled_though_the_gpu_service_does_not_hear(
    gpu: GPUService, client: httpx.AsyncClient, trouble: Any
) -> None:
    gpu.delete.mock(side_effect=[trouble])
    task_id = await started(client, gpu)
    reply = await client.delete(f"/tasks/{task_id}")
    assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")


async def test_gpu_service_has_ten_seconds_to_hear(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    task_id = await started(client, gpu)
    await client.delete(f"/tasks/{task_id}")
    assert gpu.delete.calls.last.request.extensions["timeout"]["read"] == 10


async def test_job_that_was_not_there_yet_is_cancelled_once_it_is(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.always(FakeJob.start)
    gpu.gate.clear()
    task_id = await post(client)
    await eventually(lambda: gpu.arrived)
    assert (await client.delete(f"/tasks/{task_id}")).json()["status"] == "cancelled"
    gpu.gate.set()
    await eventually(lambda: gpu.jobs and gpu.jobs[0].state == "cancelled")
    assert gpu.cancelled == [gpu.jobs[0].id] * 2
    assert (await shown(client, task_id))["status"] == "cancelled"


async def test_job_that_may_go_on_somewhere_is_cancelled_too(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.health.side_effect = httpx.ConnectError("refused")
    gpu.always(httpx.ConnectError("refused"))
    task_id = await post(client)
    await eventually(lambda: gpu.arrived)

    async def waits() -> bool:
        return bool((await shown(client, task_id))["status"] == "queued")

    await eventually(waits)
    await client.delete(f"/tasks/{task_id}")
    assert gpu.cancelled == [gpu.arrived[0]]


MOMENTS = ["before the end", "at the end", "output fetched", "output on disk", "done"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_cancel_that_races_the_finish_ends_in_one_state(
    gpu: GPUService, client: httpx.AsyncClient, settings: Settings, moment: str
) -> None:
    gpu.makes = [a_picture()]
    task_id = await started(client, gpu)
    folder = settings.data_path / "outputs" / task_id
    if moment != "before the end":
        gpu.jobs[0].finish()
    with anyio.fail_after(5):
        while moment == "output fetched" and not gpu.output.called:
            await anyio.lowlevel.checkpoint()
        while moment == "output on disk" and not list(folder.glob("0-*.png")):
            await anyio.lowlevel.checkpoint()
    if moment == "done":
        await ended(client, task_id)
    told = (await client.delete(f"/tasks/{task_id}")).json()
    await anyio.wait_all_tasks_blocked()
    task = await shown(client, task_id)
    assert task == told
    expected = {"before the end": ["cancelled"], "done": ["done"]}
    assert task["status"] in expected.get(moment, ["cancelled", "done"])
    number = 1 if task["status"] == "done" else 0
    assert (len(task["outputs"]), task["image"] is not None) == (number, number == 1)
