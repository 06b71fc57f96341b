"""Spec: `max_concurrent_tasks`, "Concurrent execution limit"; and the end of the service."""

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import httpx
import pytest
import respx

from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.comfyui.scripted import ScriptedComfyUI
from tests.gpu_server.serving import NOBODY, Service, picture, problem, running


def requests(service: Service, count: int) -> "list[asyncio.Task[httpx.Response]]":
    return [asyncio.create_task(service.generate("selftest")) for _ in range(count)]


@pytest.mark.parametrize("limit", [1, 2])
async def test_no_more_jobs_are_in_comfyui_than_may_run_and_one_that_is_prepared(
    fake: FakeComfyUI, limit: int
) -> None:
    """Design §5: the GPU never waits for us."""
    fake.faults.set("hang")
    async with running(fake.url, max_concurrent_tasks=limit) as service:
        waiting = requests(service, 4)
        await fake.until(lambda: fake.queue.remaining == limit + 1)
        # What could come in has come in: a request of another kind has been answered since.
        await service.http.get("/workflows")
        assert len(fake.prompts) == limit + 1
        fake.faults.clear()
        for request in waiting:
            picture(await request)


async def test_slot_is_free_again_after_a_failure(fake: FakeComfyUI) -> None:
    fake.faults.set("execution_error", count=1)
    async with running(fake.url, max_concurrent_tasks=1) as service:
        await service.generate("selftest")
        picture(await service.generate("selftest"))


async def test_slot_is_free_again_after_a_refusal(fake: FakeComfyUI) -> None:
    async with running(fake.url, max_concurrent_tasks=1) as service:
        await service.generate("missing")
        picture(await service.generate("selftest"))


@pytest.fixture
def survives_sigterm() -> Iterator[None]:
    """Where the service does not hear the signal, the test fails, and no more than the test."""

    def ignore(number: int, frame: FrameType | None) -> None:
        pass

    before = signal.signal(signal.SIGTERM, ignore)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("survives_sigterm")
async def test_stop_cancels_the_running_job_in_comfyui(each_fake: FakeComfyUI) -> None:
    each_fake.faults.set("hang")
    async with running(each_fake.url) as service:
        [request] = requests(service, 1)
        await each_fake.until(lambda: each_fake.queue.running is not None)
        signal.raise_signal(signal.SIGTERM)
        problem(await request, 503, "service_stopping")
        await each_fake.until(lambda: each_fake.queue.remaining == 0)


@pytest.mark.usefixtures("survives_sigterm")
@respx.mock
async def test_impatient_second_stop_does_not_break_the_taking_out_off() -> None:
    comfyui = ScriptedComfyUI(respx.mock, NOBODY, ScriptedComfyUI.accept)
    cancelled = []

    async def slow_cancel(request: httpx.Request) -> httpx.Response:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)  # What takes its time here can be broken off.
        cancelled.append(request.url.path.split("/")[-2])
        return httpx.Response(200, json={"cancelled": True})

    respx.post(url__regex=rf"{NOBODY}/api/jobs/.*/cancel").mock(side_effect=slow_cancel)
    async with running(NOBODY) as service:
        [request] = requests(service, 1)
        await eventually(lambda: comfyui.accepted)
        signal.raise_signal(signal.SIGTERM)
        problem(await request, 503, "service_stopping")
    assert cancelled == comfyui.accepted


@pytest.mark.usefixtures("survives_sigterm")
async def test_request_after_the_stop_is_refused(fake: FakeComfyUI) -> None:
    async with running(fake.url) as service:
        signal.raise_signal(signal.SIGTERM)

        async def refused() -> bool:
            return (await service.generate("selftest")).status_code == 503

        await eventually(refused)
        problem(await service.generate("selftest"), 503, "service_stopping")


@pytest.mark.usefixtures("survives_sigterm")
async def test_handler_of_the_server_around_us_hears_the_signal_too(fake: FakeComfyUI) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    async with running(fake.url):
        signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
