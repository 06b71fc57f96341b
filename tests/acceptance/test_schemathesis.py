"""Both services against their own OpenAPI documents: schemathesis, all its checks on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import Pair, eventually, pair
from tests.acceptance.test_keys import keys

CONFIG = Path(__file__).with_name("schemathesis.toml")
DRAIN = "/drain"
"""Comes last: where it has been asked for, tasks only wait."""
EXAMPLES = "8"
"""Of each operation and phase; the seed is fixed, so that each run sends the same."""


def checked(url: str, folder: Path, *options: str) -> None:
    """Fail with its report where it finds anything."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={CONFIG}",
            "run",
            f"{url}/openapi.json",
            "--checks=all",
            f"--max-examples={EXAMPLES}",
            "--seed=1",
            "--request-timeout=30",
            "--no-color",
            *options,
        ],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-15_000:] + done.stderr[-2000:]


def started(programs: Pair, *, comfyui: bool) -> Pair:
    programs.backend.environment |= {"REQUIRE_API_KEY": "true", "OUTBOUND_ALLOW": "127.0.0.1"}
    for program in (programs.comfyui, programs.gpu_server, programs.backend)[not comfyui :]:
        program.start()
    engine = "comfyui" if comfyui else "stub"
    eventually(lambda: f"engine {engine}" in programs.backend.log.read_text())
    return programs


@pytest.mark.parametrize("engine", ["stub", "comfyui"])
def test_backend_answers_as_its_document_says(tmp_path: Path, engine: str) -> None:
    with pair(tmp_path, engine=engine) as programs:
        started(programs, comfyui=engine == "comfyui")
        secret = keys(programs, "create", "schemathesis", "--scope", "admin").stdout.strip()
        key = f"--header=Authorization: Bearer {secret}"
        checked(programs.backend.url, tmp_path, key, f"--exclude-path={DRAIN}")
        checked(programs.backend.url, tmp_path, key, f"--include-path={DRAIN}")
        log = programs.backend.log.read_text()
    assert "Traceback" not in log
    assert secret not in log


@pytest.mark.parametrize("engine", ["stub", "comfyui"])
def test_gpu_service_answers_as_its_document_says(tmp_path: Path, engine: str) -> None:
    with pair(tmp_path, engine=engine) as programs:
        if engine == "comfyui":
            programs.comfyui.start()
        programs.gpu_server.start()
        checked(programs.gpu_server.url, tmp_path)
        assert "Traceback" not in programs.gpu_server.log.read_text()
