"""What the script prints, and where."""

import os
import pty
import subprocess

import pytest

from tests.acceptance.startup.workspace import LINE, SERVICES, Workspace


def on_a_terminal(workspace: Workspace, **environment: str) -> str:
    """What a run prints on a terminal, with all three levels in it."""
    ours, theirs = pty.openpty()
    workspace.replace_both()
    workspace.pid_file("backend").write_text("stale\n")
    try:
        subprocess.run(
            [workspace.script],
            env=workspace.environment | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            timeout=60,
            check=False,
        )
        return os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)


def test_a_terminal_gets_colours(workspace: Workspace) -> None:
    """Spec: Startup Management, Script Features, 'Color-coded output'."""
    printed = on_a_terminal(workspace)
    for level in ("\x1b[32m[INFO]", "\x1b[33m[WARN]", "\x1b[31m[ERROR]"):
        assert level in printed
    assert "starting backend" in workspace.log("startup")
    assert "\x1b" not in workspace.log("startup")


def test_a_terminal_gets_no_colours_where_none_are_wanted(workspace: Workspace) -> None:
    assert "\x1b" not in on_a_terminal(workspace, NO_COLOR="1")


def test_a_pipe_gets_no_colours(quick: Workspace) -> None:
    assert "\x1b" not in quick.run().stdout


def test_each_line_has_its_time_and_level(quick: Workspace) -> None:
    """Spec: Startup Management, Script Features, 'Timestamp logging'."""
    for line in quick.run().stdout.splitlines():
        assert LINE.fullmatch(line), line


def test_startup_log_keeps_what_was_said(quick: Workspace) -> None:
    """Spec: Log Management, Log Locations."""
    before = quick.log("startup")
    result = quick.run()
    assert quick.log("startup") == before + result.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_the_summary_tells_where_a_service_is(quick: Workspace, service: str) -> None:
    """Spec: Startup Management, Health Verification, 'Display final status summary'."""
    [line] = [line for line in quick.run().stdout.splitlines() if f"] {service}  " in line]
    assert f"PID {quick.pid(service)} " in line
    assert f"http://127.0.0.1:{quick.ports[service]} " in line
    assert line.endswith(str(quick.path / "logs" / f"{service}.log"))


def test_the_summary_tells_how_to_stop(quick: Workspace) -> None:
    [line] = [line for line in quick.run().stdout.splitlines() if "stop with: " in line]
    command = line.partition("stop with: ")[2]
    assert quick.shell(["bash", "-c", command], {"PATH": "/usr/bin:/bin"}).returncode == 0
    assert not quick.processes()


@pytest.mark.parametrize("argument", ["help", "-h", "--help"])
def test_help_is_printed(workspace: Workspace, argument: str) -> None:
    result = workspace.run(argument)
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: startup.sh")


@pytest.mark.parametrize("arguments", [["begin"], ["start", "now"], [""]])
def test_an_unknown_argument_prints_the_usage(workspace: Workspace, arguments: list[str]) -> None:
    result = workspace.run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: startup.sh")
    assert not (workspace.path / "logs").exists()
