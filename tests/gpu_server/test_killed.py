"""Our own service killed or stopped in the middle of a job: real processes, real signals."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import Jobs
from tests.gpu_server.programs import Program, program
from tests.gpu_server.serving import SHIPPED
from tests.ports import free_port


@asynccontextmanager
async def started(folder: Path, comfyui: str) -> AsyncIterator[tuple[Program, Jobs]]:
    """`python server.py` with the engine that runs workflows, and its jobs."""
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
        yield server, Jobs(server.http)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_job_is_found_again_by_the_next_process_and_not_run_twice(
    tmp_path: Path, fake: FakeComfyUI, number: signal.Signals
) -> None:
    fake.faults.set("hang")
    async with started(tmp_path, fake.url) as (server, jobs):
        job_id = await jobs.start()
        await fake.until(lambda: fake.queue.running is not None)
        server.process.send_signal(number)
        await server.exit_code()
    assert fake.queue.running is not None
    async with started(tmp_path, fake.url) as (_, jobs):
        reply = await jobs.put(job_id, resume=True)
        assert reply.status_code == 201
        fake.faults.clear()
        assert len(await jobs.files(job_id)) == 1
    assert fake.executed_prompts == [job_id]


async def test_stop_ends_open_streams_and_the_program(tmp_path: Path, fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with started(tmp_path, fake.url) as (server, jobs):
        ids = [await jobs.start(), await jobs.start()]
        await fake.until(lambda: fake.queue.remaining == 2)
        readings = [asyncio.create_task(jobs.story(job_id)) for job_id in ids]
        await fake.until(lambda: "/events" in server.log.read_text())
        server.process.send_signal(signal.SIGTERM)
        await server.exit_code(3)
        stories = await asyncio.gather(*readings)
    ends = {"done", "failed", "cancelled"}
    assert not ends & {event.kind for story in stories for event in story}
    assert fake.queue.remaining == 2


async def test_second_stop_signal_does_no_harm(tmp_path: Path, fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with started(tmp_path, fake.url) as (server, jobs):
        await jobs.start()
        request = asyncio.create_task(
            server.http.post("/generate", json={"workflow": "selftest", "params": {}})
        )
        await fake.until(lambda: fake.queue.remaining == 2)
        for _ in range(2):
            server.process.send_signal(signal.SIGTERM)
        assert (await request).json()["code"] == "service_stopping"
        await server.exit_code(3)
        log = server.log.read_text()
    assert "Traceback" not in log
    assert fake.queue.remaining == 1
