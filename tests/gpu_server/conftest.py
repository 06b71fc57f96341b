"""What the GPU service's tests stand on."""

import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from gpu_server.config import Settings, get_settings
from gpu_server.utils.logging import HANDLER
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import SHIPPED, Service, running, serving

VERSIONS = ["0.3.64", "0.33.0"]
"""Of ComfyUI: the last before the jobs API that was recorded, and one of today."""


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
def workflows(tmp_path: Path) -> Path:
    """A folder of our own with the shipped workflows in it."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    for path in SHIPPED.glob("*.json"):
        shutil.copy(path, folder)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_fake() -> AsyncIterator[FakeComfyUI]:
    """One ComfyUI for a module's tests, which run in the module's loop."""
    async with running_fake() as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=VERSIONS)
async def each_shared_fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeComfyUI]:
    """The same, of each version."""
    async with running_fake(version=request.param) as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(shared_fake: FakeComfyUI) -> AsyncIterator[Service]:
    """One service that runs workflows, for a module's tests that only ask it."""
    async with running(shared_fake.url) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub() -> AsyncIterator[Service]:
    """One service of the default engine, for a module's tests that only ask it."""
    async with serving() as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def idle_fake(shared_fake: FakeComfyUI) -> FakeComfyUI:
    """The module's ComfyUI as if it had just been started."""
    return await as_started(shared_fake)


@pytest_asyncio.fixture(loop_scope="module")
async def each_idle_fake(each_shared_fake: FakeComfyUI) -> FakeComfyUI:
    """The same, of each version."""
    return await as_started(each_shared_fake)


async def as_started(fake: FakeComfyUI) -> FakeComfyUI:
    """Let a ComfyUI forget all that happened to it: quicker than another one."""
    fake.faults.clear()
    await fake.restart()
    fake.requests.clear()
    fake.prompts.clear()
    fake.uploads.clear()
    fake.executed_nodes.clear()
    fake.executed_prompts.clear()
    return fake


@pytest.fixture
async def fake() -> AsyncIterator[FakeComfyUI]:
    """A ComfyUI of today, at work."""
    async with running_fake() as fake:
        yield fake


@pytest.fixture(params=VERSIONS)
async def each_fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeComfyUI]:
    """A ComfyUI of each version, at work."""
    async with running_fake(version=request.param) as fake:
        yield fake
