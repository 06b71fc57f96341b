"""The operator's command: how it is run, for how long, and with what."""

import logging
import os
import sys
from pathlib import Path

import pytest

from gpu_server.care.restart import RestartCommand, environment_for_a_command
from tests.conditions import eventually


async def nobody() -> bool:
    return False


async def somebody() -> bool:
    return True


def runs(pid: int) -> bool:
    """Whether it does; one that has ended and was not fetched does not."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def pid_in(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def command(folder: Path, line: str, seconds: float = 10, **environment: str) -> RestartCommand:
    path = {"PATH": os.environ["PATH"]}
    return RestartCommand(line, folder / "data" / "output", {**path, **environment}, seconds)


async def test_what_it_prints_is_in_the_log_and_in_a_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await command(tmp_path, "sh -c 'echo one; echo two >&2; echo $COLOUR'", COLOUR="red").run(
        nobody
    )
    assert [line for line in caplog.messages if " | " in line] == [
        "Restart command | one",
        "Restart command | two",
        "Restart command | red",
    ]
    assert "has ended" in caplog.messages[-1]
    assert (tmp_path / "data" / "output").read_text() == "one\ntwo\nred\n"


async def test_no_shell_reads_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await command(tmp_path, "echo a; echo $HOME").run(nobody)
    assert "Restart command | a; echo $HOME" in caplog.messages


async def test_failure_is_told_with_its_status(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await command(tmp_path, "sh -c 'exit 7'").run(nobody)
    assert caplog.records[-1].levelno == logging.ERROR
    assert "status 7" in caplog.messages[-1]


async def test_program_that_has_gone_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await command(tmp_path, str(tmp_path / "gone.sh")).run(nobody)
    assert caplog.records[-1].levelno == logging.ERROR
    assert "gone.sh" in caplog.messages[-1]


async def test_one_that_does_not_end_is_ended_with_all_that_it_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    child = tmp_path / "child"
    await command(tmp_path, f"sh -c 'sleep 60 & echo $! > {child}; wait'", seconds=0.5).run(nobody)
    assert "not ended within 0.5 s" in caplog.messages[-1]
    await eventually(lambda: not runs(pid_in(child)))


async def test_one_that_is_comfyui_itself_goes_on_until_the_next_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = tmp_path / "pid"
    restart = command(tmp_path, f"sh -c 'echo $$ > {first}; exec sleep 60'", seconds=60)
    await restart.run(somebody)
    assert "left alone" in caplog.messages[-1]
    pid = pid_in(first)
    assert runs(pid)
    first.unlink()
    await restart.run(somebody)
    assert not runs(pid)
    second = pid_in(first)
    assert runs(second)
    os.kill(second, 9)
    await restart.end()


async def test_what_it_leaves_in_the_background_goes_on(tmp_path: Path) -> None:
    left = tmp_path / "left"
    await command(tmp_path, f"sh -c 'sleep 60 & echo $! > {left}'").run(nobody)
    pid = pid_in(left)
    assert runs(pid)
    os.kill(pid, 9)


async def test_it_prints_no_more_into_the_log_than_anybody_reads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await command(tmp_path, "seq 1000").run(nobody)
    lines = [line for line in caplog.messages if " | " in line]
    assert (len(lines), lines[-1]) == (200, "Restart command | 200")


def test_environment_has_no_settings_and_no_secrets() -> None:
    ours = {
        "GPU_SERVICE_SECRET": "s",
        "LOG_LEVEL": "DEBUG",
        "log_format": "json",
        "API_KEYS": "k",
        "HF_TOKEN": "t",
        "DB_PASSWORD": "p",
        "DATABASE_URL": "postgresql://me:pass@db/x",
        "VIRTUAL_ENV": sys.prefix,
        "HOME": "/root",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    kept = environment_for_a_command(ours, ["gpu_service_secret", "log_level", "log_format"])
    assert kept == {"HOME": "/root", "CUDA_VISIBLE_DEVICES": "0"}


def test_our_own_python_is_not_the_command_s() -> None:
    scripts = f"{sys.prefix}/bin"
    kept = environment_for_a_command({"PATH": f"{scripts}:/usr/bin"}, [])
    assert kept["PATH"] == ("/usr/bin" if sys.prefix != sys.base_prefix else f"{scripts}:/usr/bin")
