"""A process that cannot start: one clear line; the same file is in both services."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from asgi_lifespan import LifespanManager
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.types import Message

from backend.config import get_settings
from backend.errors import BackendError, DataFolderInUse
from backend.start_failure import StartFailure, settings_or_exit
from backend.utils.logging import setup_logging
from tests.acceptance.processes import ROOT

IN_USE = "Another backend uses /data. Stop it, or set another DATA_PATH."

APPLICATION = """
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from backend.errors import BackendError, DataFolderInUse
from backend.start_failure import StartFailure
from backend.utils.logging import setup_logging


@asynccontextmanager
async def lifespan(app):
    setup_logging("INFO", "standard")
    raise {error}
    yield


app = Starlette(lifespan=lifespan)
app.add_middleware(StartFailure, name="The backend", expected=BackendError)
"""


class Ended:
    """`uvicorn MODULE:app`, from start to end."""

    def __init__(self, folder: Path, module: str, **environment: str) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "uvicorn", f"{module}:app", "--port", "0"],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.status = ended.returncode
        self.said = ended.stdout + ended.stderr

    def lines(self, part: str) -> list[str]:
        return [line for line in self.said.splitlines() if part in line]


@pytest.fixture
def failing(tmp_path: Path) -> Callable[[str], Ended]:
    """A program whose start fails with the error that is given, as Python has it."""

    def run(error: str) -> Ended:
        (tmp_path / "failing.py").write_text(APPLICATION.format(error=error))
        return Ended(tmp_path, "failing")

    return run


def test_error_of_ours_is_one_line(failing: Callable[[str], Ended]) -> None:
    ended = failing(f"DataFolderInUse({IN_USE!r})")
    [line] = ended.lines("DATA_PATH")
    assert line.endswith(f"| backend.start_failure | CRITICAL | The backend cannot start: {IN_USE}")
    assert "Traceback" not in ended.said
    assert ended.status == 3


def test_bug_keeps_its_trace(failing: Callable[[str], Ended]) -> None:
    ended = failing("ValueError('a slip')")
    assert "Traceback" in ended.said
    assert ended.lines("ValueError: a slip")
    assert "CRITICAL" not in ended.said
    assert ended.status == 3


def test_wrong_setting_ends_the_typed_command(tmp_path: Path) -> None:
    """Spec: Application Entry Point: `cd backend && uvicorn main:app`."""
    ended = Ended(ROOT / "backend", "main", BACKEND_PORT="99999", DATA_PATH=str(tmp_path))
    [line] = ended.lines("BACKEND_PORT")
    assert "| CRITICAL | The backend cannot start: BACKEND_PORT is '99999'. " in line
    assert "Traceback" not in ended.said
    assert ended.status == 2


def test_wrong_setting_ends_the_gpu_service(tmp_path: Path) -> None:
    ended = Ended(ROOT / "gpu_server", "main", JOB_TIMEOUT="soon")
    [line] = ended.lines("JOB_TIMEOUT")
    assert "| CRITICAL | The GPU service cannot start: JOB_TIMEOUT is 'soon'. " in line
    assert "Traceback" not in ended.said
    assert ended.status == 2


def application(
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> StartFailure:
    return StartFailure(Starlette(lifespan=lifespan), "The backend", BackendError)


async def test_error_reaches_whoever_starts_the_application() -> None:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise DataFolderInUse(IN_USE)
        yield

    with pytest.raises(DataFolderInUse):
        async with LifespanManager(application(lifespan)):
            pytest.fail("it started")


async def test_error_as_it_stops_is_none_of_the_start(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Message] = []
    told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        raise DataFolderInUse(IN_USE)

    async def receive() -> Message:
        return told.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(DataFolderInUse):
        await application(lifespan)({"type": "lifespan", "state": {}}, receive, send)
    assert [each["type"] for each in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.failed",
    ]
    assert "cannot start" not in caplog.text


def complaints(capsys: pytest.CaptureFixture[str], read: Callable[[], object]) -> list[str]:
    """What is logged, from the setting on."""
    with pytest.raises(SystemExit) as ended:
        settings_or_exit(read, "The backend", setup_logging)
    assert ended.value.code == 2
    lines = capsys.readouterr().out.splitlines()
    return [line.partition(" cannot start: ")[2] for line in lines]


def test_settings_in_order_are_the_settings() -> None:
    assert settings_or_exit(get_settings, "The backend", setup_logging) is get_settings()


def test_each_wrong_setting_is_told_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKEND_PORT", "99999")
    monkeypatch.setenv("LOG_FORMAT", "xml")
    port, log_format = complaints(capsys, get_settings)
    assert port == "BACKEND_PORT is '99999'. Input should be less than or equal to 65535."
    assert log_format == "LOG_FORMAT is 'xml'. Input should be 'standard' or 'json'."


def test_wrong_part_of_a_list_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", '["https://a.example", 7]')
    [line] = complaints(capsys, get_settings)
    assert line == "CORS_ORIGINS.1 is 7. Input should be a valid string."


def test_setting_that_is_no_json_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODE_WORKFLOWS", "free=free_generation")
    [line] = complaints(capsys, get_settings)
    assert line == "MODE_WORKFLOWS is not JSON: Expecting value: line 1 column 1 (char 0)."


def test_lines_are_json_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKEND_PORT", "99999")
    monkeypatch.setenv("LOG_FORMAT", "json")
    with pytest.raises(SystemExit):
        settings_or_exit(get_settings, "The backend", setup_logging)
    assert capsys.readouterr().out.startswith('{"asctime"')


def test_password_in_a_url_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:mine@db.example/tasks")
    [line] = complaints(capsys, get_settings)
    assert line.startswith("DATABASE_URL is 'mysql://...@db.example/tasks'. ")
    assert "mine" not in line


def test_key_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Keyed(BaseSettings):
        model_config = SettingsConfigDict(extra="ignore")
        api_key: str = Field("", max_length=3)

    monkeypatch.setenv("API_KEY", "hush-hush")
    [line] = complaints(capsys, Keyed)
    assert line.startswith("API_KEY is not what it should be")
    assert "hush" not in line


def test_long_value_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKEND_PORT", "9" * 1000)
    [line] = complaints(capsys, get_settings)
    assert len(line) < 250


def test_gpu_service_has_the_same() -> None:
    ours, theirs = (ROOT / each / "start_failure.py" for each in ("backend", "gpu_server"))
    assert ours.read_text() == theirs.read_text()
