"""The worker, where tasks are kept in a database."""

import re
from collections.abc import Iterator

import pytest

from tests.acceptance.startup.workspace import Workspace, command_of, is_alive, wait_until
from tests.postgresql_server import postgresql_server


@pytest.fixture
def database_url() -> Iterator[str]:
    with postgresql_server() as server:
        yield server.new_database()


def test_with_a_database_the_worker_is_started_with_its_log_and_pid_file(
    workspace: Workspace, database_url: str
) -> None:
    own = workspace.environment["GPU_SERVICE_URL"]
    workspace.environment |= {
        "DATABASE_URL": database_url,
        "GPU_SERVICE_URL": f"{own},http://127.0.0.1:9",
        "WORKER_GPU_SERVICE": own,
    }
    started = workspace.run()
    assert started.returncode == 0, started.stdout + started.stderr
    assert command_of(workspace.pid("worker"))[1:] == ["worker.py", "--gpu-service", own]
    assert "worker is up" in started.stdout
    requirements = str(workspace.path / "backend" / "requirements-postgresql.txt")
    assert any(requirements in call for call in workspace.calls("pip"))
    pid = workspace.pid("worker")
    again = workspace.run()
    assert (again.returncode, workspace.pid("worker")) == (0, pid)
    assert "worker is already running" in again.stdout
    wait_until(lambda: "started, 2 slots" in workspace.log("worker"), "the worker works")
    assert f"worker       running  PID {pid} " in workspace.run("status").stdout
    restarted = workspace.run("restart", "worker")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert not is_alive(pid)
    stopped = workspace.run("stop").stdout
    order = ["worker has stopped", "backend has stopped", "gpu_server has stopped"]
    assert re.findall("|".join(order), stopped) == order


def test_worker_that_does_not_know_its_gpu_service_is_told_with_its_log(
    workspace: Workspace, database_url: str
) -> None:
    workspace.environment["DATABASE_URL"] = database_url
    workspace.environment["GPU_SERVICE_URL"] += ",http://127.0.0.1:9"
    started = workspace.run()
    assert started.returncode == 1
    assert "say which GPU service it works for" in started.stdout + started.stderr
