"""A task's story over WebSockets, and stalling clients: the real program, real connections."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.acceptance.processes import Pair, eventually, pair


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair whose jobs take a moment, with progress and previews."""
    options = ("--fault", "previews:always", "--job-seconds", "1")
    models = ("--models", "sd_xl_base_1.0.safetensors")
    with pair(tmp_path_factory.mktemp("live"), engine="comfyui", comfyui=(*options, *models)) as it:
        for program in (it.comfyui, it.gpu_server, it.backend):
            program.start()
        eventually(lambda: "engine comfyui" in it.backend.log.read_text())
        yield it


def task(running: Pair) -> str:
    task_id: str = running.generate({"mode": "free", "prompt": "p"}).json()["task_id"]
    return task_id


def url(running: Pair, task_id: str, query: str = "") -> str:
    return f"ws://127.0.0.1:{running.backend.port}/tasks/{task_id}/ws{query}"


async def told(running: Pair, task_id: str, query: str = "") -> tuple[list[Any], int | None]:
    """What a client hears to the end, and the code that closes it."""
    heard = []
    async with connect(url(running, task_id, query), proxy=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            while True:
                heard.append(json.loads(await asyncio.wait_for(socket.recv(), 20)))
        return heard, socket.close_code


async def test_story_is_told_to_its_end(running: Pair) -> None:
    heard, code = await told(running, task(running))
    kinds = [each["event"] for each in heard]
    assert (kinds[0], kinds[-1], code) == ("queued", "done", 1000)
    assert {"running", "progress", "preview"} <= set(kinds)
    assert heard[-1]["data"]["outputs"]


async def test_who_comes_back_misses_no_change_of_state(running: Pair) -> None:
    task_id = task(running)
    heard, _ = await told(running, task_id)
    running_at = next(each["id"] for each in heard if each["event"] == "running")
    again, code = await told(running, task_id, f"?after={running_at}")
    assert ([each["event"] for each in again], code) == (["done"], 1000)


async def test_unknown_task_is_refused_before_the_handshake(running: Pair) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await told(running, "nothing")
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["code"] == "task_not_found"


async def test_what_the_client_says_changes_nothing(running: Pair) -> None:
    async with connect(url(running, task(running)), proxy=None) as socket:
        for _ in range(50):
            await socket.send("x" * 1000)
        first = json.loads(await asyncio.wait_for(socket.recv(), 20))
    assert first["event"] == "queued"


async def test_stop_closes_what_is_open_and_says_why(running: Pair) -> None:
    """Last: it ends the backend."""
    task_id = task(running)
    backend = running.backend
    async with connect(url(running, task_id), proxy=None) as socket:
        await asyncio.wait_for(socket.recv(), 20)
        assert running.comfyui.process is not None
        running.comfyui.process.send_signal(signal.SIGSTOP)
        assert backend.process is not None
        backend.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(socket.recv(), 20)
    assert socket.close_code == 1012
    assert await asyncio.to_thread(backend.process.wait, 20) == 0
