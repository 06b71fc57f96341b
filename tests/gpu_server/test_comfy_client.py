"""Spec: GPU Service Structure, ComfyUI Client: its three methods, in both engines."""

import asyncio
import base64
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from gpu_server.comfy_client import PLACEHOLDER, ComfyClient, ComfyUIClient, StubComfyClient
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.definitions import NodeDefinitions
from gpu_server.config import Engine
from gpu_server.errors import ComfyUIUnavailable, WorkflowNotFound
from gpu_server.main import _engine
from gpu_server.workflows.folder import WorkflowFolder
from tests import plain_http
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY, settings


@asynccontextmanager
async def client(engine: Engine, **given: Any) -> AsyncIterator[ComfyClient]:
    """The engine's client, with settings of the tests."""
    chosen = settings(generation_engine=engine, **given)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        http = await stack.enter_async_context(plain_http.AsyncClient())
        api = ComfyUIAPI(http, chosen.comfyui_api_url)
        definitions = NodeDefinitions(api, Path(folder, "object_info.json"))
        workflows = WorkflowFolder(chosen.workflows_path)
        yield await _engine(stack, chosen, api, definitions, workflows, asyncio.Event())


@pytest.mark.parametrize(
    ("engine", "kind"), [(Engine.STUB, StubComfyClient), (Engine.COMFYUI, ComfyUIClient)]
)
async def test_settings_choose_the_engine(engine: Engine, kind: type) -> None:
    async with client(engine) as chosen:
        assert isinstance(chosen, kind)
        assert chosen.engine is engine


@pytest.mark.parametrize("engine", Engine)
async def test_check_health_is_true_while_comfyui_answers(
    engine: Engine, fake: FakeComfyUI
) -> None:
    async with client(engine, comfyui_api_url=fake.url) as chosen:
        assert await chosen.check_health() is True
    assert fake.requests_to("GET", "/system_stats")


@pytest.mark.parametrize("engine", Engine)
async def test_check_health_is_false_without_comfyui(engine: Engine) -> None:
    async with client(engine) as chosen:
        assert await chosen.check_health() is False


@pytest.mark.parametrize("engine", Engine)
@respx.mock
async def test_check_health_waits_five_seconds_at_most(engine: Engine) -> None:
    """Spec: "5-second timeout"."""
    route = respx.get(f"{NOBODY}/system_stats").respond(200)
    async with client(engine) as chosen:
        await chosen.check_health()
    sent = route.calls.last.request.extensions["timeout"]
    assert sent == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}


async def test_check_health_gives_up_on_an_answer_that_drips_in() -> None:
    """The bound is on the whole: a byte now and then does not extend it."""
    stop, ended = asyncio.Event(), asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.is_set():
            writer.write(b".")
            await asyncio.sleep(0.01)
        writer.close()
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with plain_http.AsyncClient() as http:
            api = ComfyUIAPI(http, f"http://127.0.0.1:{port}", health_timeout=0.2)
            assert await asyncio.wait_for(api.is_up(), 3) is False
        stop.set()
        await ended.wait()


FAILURES: list[Callable[[str], Exception]] = [
    httpx.ConnectError,
    httpx.ReadTimeout,
    httpx.RemoteProtocolError,
    httpx.DecodingError,
    httpx.TooManyRedirects,
]


@pytest.mark.parametrize("failure", FAILURES)
@respx.mock
async def test_check_health_never_raises(failure: Callable[[str], Exception]) -> None:
    respx.get(f"{NOBODY}/system_stats").mock(side_effect=failure("x"))
    async with client(Engine.STUB) as chosen:
        assert await chosen.check_health() is False


@pytest.mark.parametrize("engine", Engine)
async def test_load_workflow_returns_the_graph(engine: Engine) -> None:
    async with client(engine) as chosen:
        graph = chosen.load_workflow("selftest")
    assert [graph[node]["class_type"] for node in "12"] == ["EmptyImage", "SaveImage"]


async def test_load_workflow_of_a_missing_file_is_an_empty_dict_in_the_stub() -> None:
    async with client(Engine.STUB) as chosen:
        assert chosen.load_workflow("missing") == {}


async def test_load_workflow_of_a_missing_file_is_a_file_not_found_error_with_the_names() -> None:
    """Design §2."""
    async with client(Engine.COMFYUI) as chosen:
        with pytest.raises(FileNotFoundError, match="selftest") as caught:
            chosen.load_workflow("missing")
    assert isinstance(caught.value, WorkflowNotFound)
    assert "free_generation" in caught.value.extra["available"]


async def test_execute_workflow_of_the_stub_is_the_placeholder() -> None:
    async with client(Engine.STUB) as chosen:
        assert await chosen.execute_workflow("any", {"x": 1}) == PLACEHOLDER
    assert PLACEHOLDER == "dummy_base64_placeholder"


async def test_execute_workflow_of_the_stub_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Spec: "Log execution request"."""
    caplog.set_level(logging.INFO)
    async with client(Engine.STUB) as chosen:
        await chosen.execute_workflow("my_workflow", {})
    assert "'my_workflow'" in caplog.text


async def test_unavailable_comfyui_is_told_as_such() -> None:
    async with client(Engine.COMFYUI) as chosen:
        with pytest.raises(ComfyUIUnavailable, match="COMFYUI_API_URL"):
            await chosen.execute_workflow("selftest", {})


async def test_execute_workflow_returns_the_image_in_base64(fake: FakeComfyUI) -> None:
    async with client(Engine.COMFYUI, comfyui_api_url=fake.url) as chosen:
        image = await chosen.execute_workflow("selftest", {})
    assert base64.b64decode(image, validate=True).startswith(b"\x89PNG")
