"""`./startup.sh logs`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from tests.acceptance.startup.workspace import SERVICES, Workspace


@pytest.fixture
def written(workspace: Workspace) -> Workspace:
    """A workspace whose services have said something."""
    folder = workspace.path / "logs"
    folder.mkdir()
    for service in SERVICES:
        text = "".join(f"{service} says {number}\n" for number in range(30))
        folder.joinpath(f"{service}.log").write_text(text)
    return workspace


@contextmanager
def following(workspace: Workspace, *arguments: str) -> Iterator[IO[str]]:
    """What a running `logs` prints, line by line."""
    command = [str(workspace.script), "logs", *arguments]
    with subprocess.Popen(
        command,
        env=workspace.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            yield process.stdout
        finally:
            os.killpg(process.pid, 9)


def test_the_end_of_one_log_is_shown_as_it_is(written: Workspace) -> None:
    result = written.run("logs", "backend", "-n", "2", "--no-follow")
    assert result.returncode == 0
    assert result.stdout == "backend says 28\nbackend says 29\n"


def test_lines_of_several_logs_tell_whose_they_are(written: Workspace) -> None:
    with (written.path / "logs" / "backend.log").open("a") as log:
        log.write("\nafter an empty line")
    result = written.run("logs", "-n", "3", "--no-follow")
    assert result.stdout.splitlines() == [
        *(f"gpu_server   | gpu_server says {number}" for number in (27, 28, 29)),
        "backend      | backend says 29",
        "backend      | ",
        "backend      | after an empty line",
    ]


def test_one_of_several_logs_tells_whose_it_is_too(written: Workspace) -> None:
    (written.path / "logs" / "gpu_server.log").unlink()
    result = written.run("logs", "-n", "1", "--no-follow")
    assert result.stdout == "backend      | backend says 29\n"


@pytest.mark.parametrize(("named", "prefix"), [([], "backend      | "), (["backend"], "")])
def test_a_log_is_followed_through_its_rotation(
    written: Workspace, named: list[str], prefix: str
) -> None:
    log = written.path / "logs" / "backend.log"
    with following(written, *named, "-n", "1") as lines:
        while lines.readline() != f"{prefix}backend says 29\n":
            pass
        log.rename(log.with_name("backend.log.1"))
        log.write_text("a new file\n")
        while (line := lines.readline()) != f"{prefix}a new file\n":
            assert line


def test_no_log_yet_is_one_clear_line(workspace: Workspace) -> None:
    result = workspace.run("logs")
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "there is no log in" in line


@pytest.mark.parametrize("arguments", [["-n"], ["-n", "all"], ["frontend"], ["backend", "worker"]])
def test_a_wrong_argument_is_refused(workspace: Workspace, arguments: list[str]) -> None:
    assert workspace.run("logs", *arguments).returncode == 2
