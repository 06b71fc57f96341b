"""The data folder under a real backend: shared, full, damaged."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import plain_http
from tests.acceptance.processes import Program, eventually, pair

ON_A_SMALL_DISK = """
set -e
mkdir -p "$DATA_PATH"
mount -t tmpfs -o size=12m tmpfs "$DATA_PATH"
exec "$0" "$@"
"""


def may_mount() -> bool:
    """Whether this account may have file systems of its own, as containers mostly do not."""
    tried = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def start_refused(backend: Program) -> str:
    """The one line with which a backend says why it does not start."""
    with backend.log.open("ab") as log:
        done = subprocess.run(
            backend.command,
            cwd=backend.folder,
            env=backend.whole_environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=False,
        )
    assert done.returncode == 3
    text = backend.log.read_text()
    assert "Traceback" not in text
    [line] = [each for each in text.splitlines() if "CRITICAL" in each]
    return line


def test_second_backend_on_a_data_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pair(tmp_path) as programs:
        programs.backend.start()
        second = replace(
            programs.backend,
            command=[*programs.backend.command[:-1], "0"],
            log=tmp_path / "second.log",
        )
        assert f"Another backend uses {tmp_path / 'data'}" in start_refused(second)
        assert programs.generate({"mode": "free"}).status_code == 200


def test_damaged_database_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    with pair(tmp_path) as programs:
        database = tmp_path / "data" / "tasks.sqlite3"
        database.parent.mkdir()
        database.write_bytes(b"no database, but long enough to be looked at. " * 100)
        before = database.read_bytes()
        line = start_refused(programs.backend)
        assert f"{database} is damaged" in line
        assert database.read_bytes() == before


@pytest.mark.skipif(not may_mount(), reason="no user namespaces here")
def test_full_disk_refuses_new_tasks_keeps_the_old_and_recovers_by_itself(tmp_path: Path) -> None:
    """On a file system of 12 MB, which only the backend's own namespace sees."""
    with pair(tmp_path) as programs:
        backend = programs.backend
        inner = [sys.executable, *backend.command[1:]]
        backend.command = ["unshare", "-rm", "bash", "-c", ON_A_SMALL_DISK, *inner]
        backend.environment["MIN_FREE_MB"] = "4"
        backend.start()
        assert backend.process is not None
        disk = Path(f"/proc/{backend.process.pid}/root{tmp_path}/data")
        first = programs.generate({"mode": "free"}).json()["task_id"]
        (disk / "ballast").write_bytes(b"x" * 9 * 1024 * 1024)
        eventually(lambda: programs.generate({"mode": "free"}).status_code == 507)
        refused = programs.generate({"mode": "free"})
        assert refused.json()["code"] == "storage_full"
        assert "MIN_FREE_MB" in refused.json()["detail"]
        ready = plain_http.get(f"{backend.url}/readyz")
        assert (ready.status_code, ready.json()["reasons"][0]["check"]) == (503, "disk")
        programs.gpu_server.start()
        assert programs.ended(first)["status"] == "done"
        (disk / "ballast").unlink()
        eventually(lambda: programs.generate({"mode": "free"}).status_code == 200)
        assert backend.signal(signal.SIGTERM) == 0


def test_data_folder_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pair(tmp_path) as programs:
        assert "DATA_PATH" in start_refused(programs.backend)
