"""Between a stop signal and the end of the server; the same file is in both services."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import httpx
import pytest

from backend.shutdown import on_stop_signal
from tests import plain_http
from tests.acceptance.processes import ROOT, Pair, Program, pair
from tests.acceptance.processes import eventually as sooner_or_later
from tests.conditions import eventually
from tests.ports import free_port

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])

APPLICATION = """
import asyncio
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from backend.shutdown import on_stop_signal

state = "serving"
done = asyncio.Event()


async def drain():
    global state
    state = "draining"
    try:
        await done.wait()
    except asyncio.CancelledError:
        print("cut short", flush=True)
        raise


async def show(_):
    return PlainTextResponse(state)


async def end(_):
    done.set()
    return PlainTextResponse("")


async def hang(_):
    print("hanging", flush=True)
    await asyncio.Event().wait()


@asynccontextmanager
async def lifespan(app):
    with on_stop_signal(drain):
        yield
    print("closed", flush=True)


routes = [Route("/", show), Route("/end", end), Route("/hang", hang)]
app = Starlette(routes=routes, lifespan=lifespan)
"""


@contextmanager
def handling(number: signal.Signals, heard: list[int]) -> Iterator[None]:
    def handler(number: int, _: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


class Served(Program):
    """`APPLICATION`, which drains until `/end` is asked for."""

    def ask(self, path: str = "/") -> str:
        return plain_http.get(self.url + path).text

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def exit_status(self) -> int:
        assert self.process is not None
        return self.process.wait(20)

    def has_said(self, text: str) -> None:
        sooner_or_later(lambda: text in self.log.read_text())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "served.py").write_text(APPLICATION)
    port = free_port()
    served = Served(
        [sys.executable, "-m", "uvicorn", "served:app", "--port", str(port)],
        tmp_path,
        port,
        tmp_path / "served.log",
        "/",
        {"PYTHONPATH": str(ROOT)},
    )
    try:
        served.start()
        yield served
    finally:
        served.stop()


@BOTH
def test_stopped_program_exits_with_0(served: Served, number: signal.Signals) -> None:
    served.ask("/end")
    served.send(number)
    assert served.exit_status() == 0


def test_program_closes_what_it_holds(served: Served) -> None:
    served.ask("/end")
    served.send(signal.SIGTERM)
    served.exit_status()
    assert "closed" in served.log.read_text()


def test_new_connections_are_served_until_all_is_drained(served: Served) -> None:
    served.send(signal.SIGTERM)
    sooner_or_later(lambda: served.ask() == "draining")
    served.ask("/end")
    assert served.exit_status() == 0


@BOTH
def test_second_signal_cuts_the_drain_short(served: Served, number: signal.Signals) -> None:
    served.send(number)
    sooner_or_later(lambda: served.ask() == "draining")
    served.send(number)
    assert served.exit_status() == 0
    assert "cut short" in served.log.read_text()


def test_ctrl_c_once_all_is_drained_waits_for_no_request(served: Served) -> None:
    with_open_request = threading.Thread(target=lambda: _broken_off(served), daemon=True)
    with_open_request.start()
    served.has_said("hanging")
    served.ask("/end")
    served.send(signal.SIGTERM)
    served.has_said("Waiting for connections to close")
    served.send(signal.SIGINT)
    assert served.exit_status() == 0


def _broken_off(served: Served) -> None:
    with suppress(httpx.HTTPError):
        plain_http.get(f"{served.url}/hang", timeout=60)


@BOTH
async def test_signal_calls_back(number: signal.Signals) -> None:
    called: list[int] = []
    with handling(number, []), on_stop_signal(lambda: called.append(1)):
        os.kill(os.getpid(), number)
        await eventually(lambda: called)


@BOTH
async def test_handler_before_hears_of_it_once_all_is_drained(number: signal.Signals) -> None:
    heard: list[int] = []
    done = asyncio.Event()
    draining = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await done.wait()

    with handling(number, heard), on_stop_signal(drain):
        os.kill(os.getpid(), number)
        await draining.wait()
        assert heard == []
        done.set()
        await eventually(lambda: heard == [number])


async def test_two_signals_at_once_let_the_drain_begin() -> None:
    heard: list[int] = []
    begun: list[int] = []

    async def drain() -> None:
        begun.append(1)
        await asyncio.Event().wait()

    with handling(signal.SIGTERM, heard), handling(signal.SIGINT, heard), on_stop_signal(drain):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        await eventually(lambda: heard)
    assert begun == [1]


async def test_drain_that_fails_holds_up_no_stop(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    async def drain() -> None:
        raise ValueError("a slip")

    with handling(signal.SIGTERM, heard), on_stop_signal(drain):
        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: heard)
    assert "a slip" in caplog.text


async def test_handler_before_is_back_afterwards() -> None:
    heard: list[int] = []
    called: list[int] = []
    with handling(signal.SIGTERM, heard):
        with on_stop_signal(lambda: called.append(1)):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: heard)
    assert not called


async def test_handler_that_came_later_is_left_alone() -> None:
    original = signal.getsignal(signal.SIGTERM)

    def later(number: int, _: FrameType | None) -> None: ...

    try:
        with on_stop_signal(lambda: None):
            signal.signal(signal.SIGTERM, later)
        assert signal.getsignal(signal.SIGTERM) is later
    finally:
        signal.signal(signal.SIGTERM, original)


async def test_outside_the_main_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> bool:
        with on_stop_signal(lambda: None):
            return signal.getsignal(signal.SIGTERM) is before

    assert await asyncio.to_thread(enter)


@contextmanager
def running_task(
    folder: Path, *, drain_seconds: int, job_seconds: int
) -> Iterator[tuple[Pair, str]]:
    """The three programs, and a task that ComfyUI is at work on."""
    with pair(folder, engine="comfyui", comfyui=("--job-seconds", str(job_seconds))) as programs:
        programs.backend.environment["DRAIN_SECONDS"] = str(drain_seconds)
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            program.start()
        task_id = programs.generate({"mode": "selftest"}).json()["task_id"]
        sooner_or_later(lambda: programs.task(task_id)["status"] == "running")
        yield programs, task_id


def test_draining_backend_says_that_it_is_not_ready_and_takes_tasks(tmp_path: Path) -> None:
    with running_task(tmp_path, drain_seconds=60, job_seconds=60) as (programs, _):
        backend = programs.backend
        assert backend.process is not None
        backend.process.send_signal(signal.SIGTERM)
        url = f"{backend.url}/readyz"
        sooner_or_later(lambda: plain_http.get(url).status_code == 503)
        reply = programs.generate({"mode": "selftest"})
        assert (reply.status_code, reply.json()["status"]) == (200, "queued")
        assert backend.signal(signal.SIGTERM) == 0


def test_attempt_that_ends_in_time_is_answered_before_the_backend_ends(tmp_path: Path) -> None:
    with (
        running_task(tmp_path, drain_seconds=60, job_seconds=1) as (programs, _),
        ThreadPoolExecutor() as threads,
    ):
        waiting = threads.submit(programs.generate, {"mode": "selftest"}, prefer="wait=60")
        log = programs.backend.log
        sooner_or_later(lambda: log.read_text().count(": attempt 1, ") == 2)
        assert programs.backend.signal(signal.SIGTERM) == 0
        assert waiting.result().json()["status"] == "done"


def test_attempt_that_does_not_is_left_for_whoever_comes_back(tmp_path: Path) -> None:
    with running_task(tmp_path, drain_seconds=0, job_seconds=2) as (programs, task_id):
        assert programs.backend.signal(signal.SIGTERM) == 0
        programs.backend.start()
        assert programs.ended(task_id)["status"] == "done"
        history = plain_http.get(f"{programs.comfyui.url}/history").json()
        assert len(history) == 1


def test_gpu_service_has_the_same() -> None:
    ours, theirs = (ROOT / each / "shutdown.py" for each in ("backend", "gpu_server"))
    assert ours.read_text() == theirs.read_text()
