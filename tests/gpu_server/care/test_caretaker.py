"""A ComfyUI that really dies is really started again, and its job ends well."""

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


def restart_script(folder: Path, comfyui: ComfyUIProcess) -> Path:
    script = folder / "restart.sh"
    port = comfyui.url.rpartition(":")[2]
    text = SCRIPT.format(root=ROOT, python=sys.executable, port=port, folder=folder)
    script.write_text(text)
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
    assert "Restart command | it starts" in caplog.messages
    assert "has not answered for 1 s" in caplog.text
    assert "ComfyUI answers again" in caplog.text
