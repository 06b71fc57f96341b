"""The virtual environment and the requirements in it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.startup.prepared_python import make
from tests.acceptance.startup.workspace import SERVICES, Workspace


def test_a_real_environment_is_made_and_filled(workspace: Workspace) -> None:
    """Spec: Success Criteria, 'Virtual environment contains all dependencies'."""
    result = workspace.run(PYTHON=sys.executable)
    assert result.returncode == 0, result.stderr
    python = workspace.path / "venv" / "bin" / "python"
    subprocess.run([python, "-c", "import fastapi, uvicorn, httpx, dotenv"], check=True)
    assert [workspace.health(service) for service in SERVICES] == [200, 200]


def test_the_requirements_of_both_services_are_installed(running: Workspace) -> None:
    call = running.calls("pip")[0]
    assert call[0] == "install"
    for service in SERVICES:
        assert str(running.path / service / "requirements.txt") in call


def test_nothing_is_installed_twice(running: Workspace) -> None:
    before = running.calls("venv"), running.calls("pip")
    running.run()
    assert (running.calls("venv"), running.calls("pip")) == before


@pytest.mark.parametrize("service", SERVICES)
def test_changed_requirements_are_installed(running: Workspace, service: str) -> None:
    before = running.installs()
    with (running.path / service / "requirements.txt").open("a") as requirements:
        requirements.write("idna\n")
    running.run()
    assert running.installs() == before + 1


def test_a_package_that_was_lost_is_installed_again(running: Workspace) -> None:
    before = running.installs()
    [package] = (running.path / "venv").glob("lib/python*/site-packages/a_package-*.dist-info")
    shutil.rmtree(package)
    result = running.run("restart", "backend")
    assert result.returncode == 0, result.stderr
    assert "the virtual environment has lost a_package: making it anew" in result.stdout
    running.run("restart", "backend")
    assert running.installs() == before + 1


def test_a_service_that_runs_on_old_requirements_is_named(running: Workspace) -> None:
    with (running.path / "backend" / "requirements.txt").open("a") as requirements:
        requirements.write("# changed\n")
    assert "backend still runs with the requirements of before" in running.run().stdout


def test_a_failing_pip_is_shown_and_nothing_starts(workspace: Workspace) -> None:
    (workspace.record / "pip-fails").touch()
    result = workspace.run()
    assert result.returncode == 5
    assert "    | ERROR: no network today" in result.stderr
    assert "the requirements could not be installed" in result.stderr
    assert workspace.processes() == []


def test_a_failing_update_is_tried_again(running: Workspace) -> None:
    installs, requirements = running.installs(), running.path / "backend" / "requirements.txt"
    (running.record / "pip-fails").touch()
    requirements.write_text(requirements.read_text() + "idna\n")
    assert "the changed requirements could not be installed" in running.run().stderr
    (running.record / "pip-fails").unlink()
    running.run()
    assert running.installs() == installs + 2


NO_NETWORK = "NewConnectionError('Failed to establish a new connection: [Errno 101]')"
DISK_FULL = (
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [(NO_NETWORK, "there is no network for pip"), (DISK_FULL, "the disk is full; free room")],
)
def test_the_way_out_of_a_failing_pip_is_told(workspace: Workspace, said: str, told: str) -> None:
    (workspace.record / "pip-fails").write_text(said)
    result = workspace.run()
    assert result.returncode == 5
    assert told in result.stderr.splitlines()[-1]


def no_pip(venv: Path) -> None:
    """As when making it was interrupted half-way."""
    next(venv.glob("lib/*/site-packages/pip/__main__.py")).write_text("import pip._internal")
    (venv / ".requirements.sha256").unlink()


def no_interpreter(venv: Path) -> None:
    """As when the machine's Python was upgraded."""
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")


def no_activate(venv: Path) -> None:
    """As a Debian without python3-venv leaves it."""
    (venv / "bin" / "activate").unlink()


def of_another_folder(venv: Path) -> None:
    """As when the workspace was moved."""
    activate = venv / "bin" / "activate"
    activate.write_text(activate.read_text().replace(str(venv), "/elsewhere/venv"))


@pytest.mark.parametrize("spoil", [no_pip, no_interpreter, no_activate, of_another_folder])
def test_a_broken_environment_is_made_anew(
    workspace: Workspace, spoil: Callable[[Path], None]
) -> None:
    workspace.replace_both()
    venv = workspace.path / "venv"
    make(venv, workspace.record)
    (venv / ".requirements.sha256").touch()
    spoil(venv)
    assert "making it anew" in workspace.run().stdout
    assert len(workspace.calls("venv")) == 1
    assert workspace.installs() == 1


def test_a_broken_environment_stays_where_no_other_can_be_made(workspace: Workspace) -> None:
    """Services may run from what is left of it."""
    venv = workspace.path / "venv"
    make(venv, workspace.record)
    (venv / ".requirements.sha256").touch()
    no_activate(venv)
    before = sorted(venv.rglob("*"))
    (workspace.record / "pip-fails").touch()
    assert workspace.run().returncode == 5
    assert sorted(venv.rglob("*")) == before


def test_a_foreign_environment_is_not_deleted(workspace: Workspace) -> None:
    make(workspace.path / "venv", workspace.record)
    of_another_folder(workspace.path / "venv")
    result = workspace.run()
    assert result.returncode == 5
    assert "was made for another folder: move it away" in result.stderr
    assert workspace.calls("venv") == []


def test_a_folder_that_is_no_environment_is_not_deleted(workspace: Workspace) -> None:
    kept = workspace.path / "venv" / "thesis.txt"
    kept.parent.mkdir()
    kept.touch()
    result = workspace.run()
    assert result.returncode == 5
    assert "is not a virtual environment" in result.stderr
    assert kept.exists()


def test_a_missing_python_is_one_clear_line(workspace: Workspace) -> None:
    result = workspace.run(PYTHON="python3.99")
    assert result.returncode == 5
    [line] = result.stderr.splitlines()
    assert "there is no python3.99" in line
    assert "apt-get install python3 python3-venv" in line


def limited_python(workspace: Workspace, fails_on: str) -> str:
    """An interpreter that fails where its code has a word in it."""
    path = workspace.record / "limited"
    path.write_text(
        f"""#!/bin/sh
case $2 in *{fails_on}*) exit 1 ;; esac
if [ "$1" = --version ]; then echo Python 3.9.18; exit; fi
exec "{sys.executable}" "$@"
"""
    )
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_one_clear_line(workspace: Workspace) -> None:
    """Spec: Prerequisites Verification, 'Python 3.10+ available'."""
    result = workspace.run(PYTHON=limited_python(workspace, "version_info"))
    assert result.returncode == 5
    [line] = result.stderr.splitlines()
    assert "Python 3.10 or newer is needed" in line
    assert "Python 3.9.18" in line


def test_a_missing_venv_module_names_the_package(workspace: Workspace) -> None:
    result = workspace.run(PYTHON=limited_python(workspace, "ensurepip"))
    assert result.returncode == 5
    [line] = result.stderr.splitlines()
    assert "apt-get install python3-venv" in line
    assert not (workspace.path / "venv").exists()


def test_logs_that_cannot_be_written_are_one_clear_line(workspace: Workspace) -> None:
    (workspace.path / "logs").touch()
    result = workspace.run()
    assert result.returncode == 4
    [line] = result.stderr.splitlines()
    assert f"cannot write in {workspace.path} and its logs/" in line
