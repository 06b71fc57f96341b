"""What the backend's tests stand on."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import respx

from backend.clients.gpu_client import GPUClient
from backend.config import Settings, get_settings
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.utils.logging import HANDLER
from tests import plain_http
from tests.backend.gpu_service import GPU_URL, OTHER_URL, GPUService
from tests.backend.serving import make_settings, serving
from tests.conditions import eventually


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No environment variable of the developer's shell reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a started service did to the process's loggers."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [each for each in root.handlers if each.get_name() == HANDLER]:
        root.removeHandler(handler)


@pytest.fixture
def gpu() -> Iterator[GPUService]:
    """The GPU service, over the wire."""
    with respx.mock(assert_all_called=False) as router:
        yield GPUService(router)


@pytest.fixture
def other_gpu(gpu: GPUService) -> GPUService:
    """A second one."""
    return GPUService(gpu.router, OTHER_URL)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Defaults, but for the places."""
    return make_settings(tmp_path)


@pytest.fixture
async def client(settings: Settings, gpu: GPUService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend whose GPU service has the stub engine."""
    async with serving(settings) as client:
        yield client


@pytest.fixture
async def bound_client(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend that knows the catalogue of a ComfyUI engine."""
    gpu.has_workflows("free_generation", "upscale")
    async with serving(settings) as client:
        await eventually(lambda: "engine comfyui" in caplog.text)
        yield client


@pytest.fixture
async def gpu_client(gpu: GPUService) -> AsyncIterator[GPUClient]:
    """A client of the GPU service with the specification's timeouts."""
    async with plain_http.AsyncClient() as http:  # Reading certificates takes a while.
        yield GPUClient(http, GPU_URL)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteTaskStore]:
    """An open task store."""
    store = SQLiteTaskStore(tmp_path / "data")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def outputs(tmp_path: Path) -> LocalOutputStore:
    """An output store beside it."""
    return LocalOutputStore(tmp_path / "data" / "outputs")
