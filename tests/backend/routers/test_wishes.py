"""`POST /generate` with `X-Priority`, `Cancel-After`, and a queue that is full."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.errors import InvalidInput
from backend.routers.wishes import seconds_of
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.serving import ended, running, serving
from tests.conditions import eventually

REQUEST = {"mode": "free", "prompt": "p"}


async def post(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/generate", json=REQUEST, headers=named)


async def posted(client: httpx.AsyncClient, **headers: str) -> str:
    reply = await post(client, **headers)
    assert reply.status_code == 200, reply.text
    task_id: str = reply.json()["task_id"]
    return task_id


async def shown(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = (await client.get(f"/tasks/{task_id}")).json()
    return task


# Cancel-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        (" 90s ", 90.0),
        ("5", 5.0),
        ("5m", 300.0),
        ("1.5m", 90.0),
        ("2h", 7200.0),
        ("30d", 2_592_000.0),
        ("0.25h", 900.0),
    ],
)
def test_time_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5m", "4", "4.9s", "31d", "5 m", "5M", "1e3", "5m30s", "٩٠", "inf", "9" * 400],
)
def test_nonsense_is_refused_in_few_words(text: str) -> None:
    with pytest.raises(InvalidInput, match="Cancel-After is a time such as 90s, 5m or 2h") as error:
        seconds_of(text)
    assert error.value.extra == {"parameter": "Cancel-After"}
    assert len(error.value.message) < 200


@pytest.mark.parametrize("text", ["soon", "1s", "400d"])
async def test_nonsense_is_422_and_no_task(
    gpu: GPUService, client: httpx.AsyncClient, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await post(client, Cancel_After=text)
    assert reply.status_code == 422
    assert (reply.json()["code"], reply.json()["parameter"]) == ("invalid_input", "Cancel-After")
    assert " queued: " not in caplog.text


async def test_deadline_is_shown(client: httpx.AsyncClient) -> None:
    task = await shown(client, await posted(client, Cancel_After="5m"))
    created, deadline = (
        datetime.fromisoformat(task[name].replace("Z", "+00:00"))
        for name in ("created_at", "deadline")
    )
    assert (deadline - created).total_seconds() == pytest.approx(300.0, abs=0.01)


async def test_task_without_one_has_no_deadline(client: httpx.AsyncClient) -> None:
    assert (await shown(client, await posted(client)))["deadline"] is None


async def test_task_that_ends_in_time_is_not_cancelled(client: httpx.AsyncClient) -> None:
    task = await ended(client, await posted(client, Cancel_After="5s"))
    assert (task["status"], task["error_code"]) == ("done", None)


async def test_task_is_cancelled_at_its_deadline_and_its_job_too(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    """The one test that waits for it: five seconds is the least that may be asked for."""
    gpu.always(FakeJob.start)
    first = await posted(client, Cancel_After="5s")
    await eventually(lambda: gpu.jobs)

    async def over() -> dict[str, Any] | None:
        task = await shown(client, first)
        return task if task["status"] == "cancelled" else None

    task = await eventually(over, 9)
    assert task["error_code"] == "deadline_passed"
    assert "Cancel-After" in task["error"]
    await eventually(lambda: gpu.cancelled == [gpu.jobs[0].id])


# X-Priority


async def test_high_goes_before_what_waits(gpu: GPUService, settings: Settings) -> None:
    release = gpu.holds()
    async with serving(settings, worker_concurrency=1) as client:
        await eventually(running(client, await posted(client)))
        low = await posted(client, X_Priority="low")
        normal = await posted(client)
        high = await posted(client, X_Priority="high")
        places = [(await shown(client, each))["queue_position"] for each in (high, normal, low)]
        assert places == [0, 1, 2]
        release.set()
        tasks = [await ended(client, each) for each in (high, normal, low)]
    started = [task["started_at"] for task in tasks]
    assert started == sorted(started)
    assert [task["priority"] for task in tasks] == ["high", "normal", "low"]


@pytest.mark.parametrize("word", ["urgent", "highest", "1"])
async def test_unknown_priority_is_422_and_names_those_there_are(
    client: httpx.AsyncClient, word: str
) -> None:
    reply = await post(client, X_Priority=word)
    assert reply.status_code == 422
    [error] = reply.json()["detail"]
    assert error["loc"] == ["header", "x-priority"]
    assert all(name in error["msg"] for name in ("high", "normal", "low"))


# MAX_QUEUED_TASKS


async def test_full_queue_is_503_and_says_when_to_come_back(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.holds()
    async with serving(settings, worker_concurrency=1, max_queued_tasks=2) as client:
        replies = [await post(client) for _ in range(4)]
    assert [reply.status_code for reply in replies][-1] == 503
    problem = replies[-1].json()
    assert (problem["code"], problem["retryable"]) == ("queue_full", True)
    assert "MAX_QUEUED_TASKS" in problem["detail"]
    assert int(replies[-1].headers["Retry-After"]) > 0


async def test_queue_that_has_emptied_takes_tasks_again(
    gpu: GPUService, settings: Settings
) -> None:
    release = gpu.holds()
    async with serving(settings, worker_concurrency=1, max_queued_tasks=1) as client:
        while (await post(client)).status_code != 503:
            pass
        release.set()

        async def taken() -> bool:
            return (await post(client)).status_code == 200

        await eventually(taken)
