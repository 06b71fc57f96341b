"""Stopping the real program: it waits for nobody, and leaves nothing behind in ComfyUI."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.programs import Program, program
from tests.gpu_server.serving import NOBODY, SHIPPED, problem
from tests.ports import free_port


@asynccontextmanager
async def started(folder: Path, comfyui: str) -> AsyncIterator[Program]:
    """`python server.py` with the engine that runs workflows."""
    port = free_port()
    async with program(
        folder,
        "server.py",
        port=port,
        GPU_SERVER_HOST="127.0.0.1",
        GPU_SERVER_PORT=str(port),
        COMFYUI_API_URL=comfyui,
        WORKFLOWS_PATH=str(SHIPPED),
        GENERATION_ENGINE="comfyui",
    ) as server:
        yield server


def generate(server: Program) -> "asyncio.Task[httpx.Response]":
    body = {"workflow": "selftest", "params": {}}
    return asyncio.create_task(server.http.post("/generate", json=body))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_idle_program_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    async with started(tmp_path, NOBODY) as server:
        server.process.send_signal(number)
        assert await server.exit_code() == 0
    assert "GPU Service stopped" in server.log.read_text()


async def test_running_job_is_answered_and_taken_out_of_comfyui(
    tmp_path: Path, fake: FakeComfyUI
) -> None:
    fake.faults.set("hang")
    async with started(tmp_path, fake.url) as server:
        request = generate(server)
        await fake.until(lambda: fake.queue.running is not None)
        server.process.send_signal(signal.SIGTERM)
        reply = await request
        assert await server.exit_code() == 0
    document = problem(reply, 503, "service_stopping")
    assert document["retryable"] is True
    assert int(reply.headers["retry-after"]) > 0
    await fake.until(lambda: fake.queue.remaining == 0)


async def test_request_that_waits_for_a_slot_is_answered(tmp_path: Path, fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with started(tmp_path, fake.url) as server:
        requests = [generate(server), generate(server)]
        await fake.until(lambda: fake.queue.running is not None)
        server.process.send_signal(signal.SIGTERM)
        replies = await asyncio.gather(*requests)
        await server.exit_code()
    for reply in replies:
        problem(reply, 503, "service_stopping")
