"""The optional bot beside the services."""

import shutil
from collections.abc import Iterator

import pytest

from tests.acceptance.startup.workspace import Workspace, command_of, is_alive

BOT = """
import time
print("bot is here")
time.sleep(600)
"""


@pytest.fixture
def without_bot(quick: Workspace) -> Iterator[Workspace]:
    """The shared workspace, which has no bot again when a test is over."""
    yield quick
    if quick.pid_file("telegram_bot").exists():
        quick.kill("telegram_bot")
        quick.pid_file("telegram_bot").unlink()
    shutil.rmtree(quick.path / "telegram_bot", ignore_errors=True)


@pytest.fixture
def with_bot(without_bot: Workspace) -> Workspace:
    """A bot is there, and not started yet."""
    without_bot.replace("telegram_bot", BOT)
    return without_bot


def test_without_a_bot_one_line_says_so(without_bot: Workspace) -> None:
    said = [line for line in without_bot.run().stdout.splitlines() if "bot" in line.lower()]
    assert len(said) == 1
    assert not without_bot.pid_file("telegram_bot").exists()


def test_a_bot_is_started_with_its_log_and_pid_file(with_bot: Workspace) -> None:
    """Spec: Startup Management, Script Features, 'Optional Telegram bot startup'."""
    assert with_bot.run().returncode == 0
    assert command_of(with_bot.pid("telegram_bot"))[1:] == ["main.py"]
    assert "bot is here" in with_bot.log("telegram_bot")


def test_a_bot_is_not_started_twice(with_bot: Workspace) -> None:
    with_bot.run()
    pid = with_bot.pid("telegram_bot")
    assert "telegram_bot is already running" in with_bot.run().stdout
    assert with_bot.pid("telegram_bot") == pid


def test_a_bot_is_restarted_told_of_and_stopped_as_a_service_is(with_bot: Workspace) -> None:
    with_bot.run()
    pid = with_bot.pid("telegram_bot")
    assert with_bot.run("restart", "telegram_bot").returncode == 0
    assert with_bot.pid("telegram_bot") != pid
    running = f"telegram_bot running  PID {with_bot.pid('telegram_bot')} "
    assert running in with_bot.run("status").stdout
    assert with_bot.run("stop", "telegram_bot").returncode == 0
    assert with_bot.run("status", "telegram_bot").returncode == 3


def test_a_bots_requirements_are_installed(with_bot: Workspace) -> None:
    requirements = with_bot.path / "telegram_bot" / "requirements.txt"
    requirements.write_text("aiogram\n")
    with_bot.run()
    assert str(requirements) in with_bot.calls("pip")[-1]


def test_a_bot_may_have_a_command_of_its_own(without_bot: Workspace) -> None:
    (without_bot.path / "telegram_bot").mkdir()
    result = without_bot.run(TELEGRAM_BOT_COMMAND="echo hello from $PWD; sleep 600")
    assert result.returncode == 0
    assert is_alive(without_bot.pid("telegram_bot"))
    assert f"hello from {without_bot.path}/telegram_bot" in without_bot.log("telegram_bot")


def test_a_command_without_a_bot_is_pointed_out(without_bot: Workspace) -> None:
    result = without_bot.run(TELEGRAM_BOT_COMMAND="sleep 600")
    assert result.returncode == 0
    assert "TELEGRAM_BOT_COMMAND is set, but there is no folder" in result.stdout


def test_a_bot_that_ends_fails_the_start(without_bot: Workspace) -> None:
    without_bot.replace("telegram_bot", "raise SystemExit('no token')")
    result = without_bot.run()
    assert result.returncode == 1
    assert "    | no token" in result.stderr
    assert not without_bot.pid_file("telegram_bot").exists()
