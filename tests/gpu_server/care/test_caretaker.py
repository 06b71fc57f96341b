"""A ComfyUI that really dies or hangs is really started again, and jobs end well."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conditions import eventually
from tests.gpu_server.comfyui.processes import ROOT, ComfyUIProcess, comfyui_process
from tests.gpu_server.jobs import jobs_of
from tests.gpu_server.serving import running

SCRIPT = """#!/bin/sh
{before}
cd {root} || exit 1
nohup {python} -m tests.fake_comfyui --port {port} > {folder}/comfyui.log 2>&1 &
echo $! > {folder}/pid
echo "it starts"
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Path]:
    """Where the script writes the PID of what it starts; that ends with the test."""
    yield tmp_path / "pid"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def restart_script(folder: Path, comfyui: ComfyUIProcess, before: str = "") -> Path:
    script = folder / "restart.sh"
    port = comfyui.url.rpartition(":")[2]
    names = {"root": ROOT, "python": sys.executable, "port": port, "folder": folder}
    script.write_text(SCRIPT.format(**names, before=before))
    script.chmod(0o700)
    return script


async def test_killed_comfyui_is_restarted_and_its_job_ends_well(
    tmp_path: Path, started: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with comfyui_process("--job-seconds", "30") as comfyui:
        script = restart_script(tmp_path, comfyui)
        settings = {"comfyui_restart_command": str(script), "comfyui_dead_after": 1}
        async with running(comfyui.url, **settings) as service:
            jobs = jobs_of(service)
            job_id = await jobs.start()
            await eventually(comfyui.is_running_a_job)
            await comfyui.kill()
            await eventually(started.exists, 10)

            async def done() -> bool:
                return bool((await jobs.get(job_id))["state"] == "done")

            await eventually(done, 20)
            told = (await service.http.get("/metrics")).text
    assert "gateway_comfyui_restarts_total 1.0" in told
    assert "Restart command | it starts" in caplog.messages
    assert "has not answered for 1 s" in caplog.text
    assert "ComfyUI answers again" in caplog.text


async def test_comfyui_that_does_not_let_go_of_a_cancelled_job_is_restarted(
    tmp_path: Path, started: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """HTTP answers all the while: it is the GPU that hangs."""
    async with comfyui_process("--fault", "hang_deaf") as comfyui:
        script = restart_script(tmp_path, comfyui, before=f"kill -9 {comfyui.pid}")
        settings = {"comfyui_restart_command": str(script), "comfyui_dead_after": 0.2}
        async with running(comfyui.url, **settings) as service:
            jobs = jobs_of(service)
            stuck = await jobs.start()
            await eventually(comfyui.is_running_a_job)
            await jobs.cancel(stuck)
            behind_it = await jobs.start()
            await eventually(started.exists, 10)

            async def done() -> bool:
                return bool((await jobs.get(behind_it))["state"] == "done")

            await eventually(done, 20)
    assert f"hangs: job {stuck}" in caplog.text
