"""ComfyUI's node definitions, kept for when it is away."""

from pathlib import Path

import pytest

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.definitions import NodeDefinitions
from tests import plain_http
from tests.conditions import eventually
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY, Service, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def loaded(path: Path) -> NodeDefinitions:
    async with plain_http.AsyncClient() as http:
        definitions = NodeDefinitions(ComfyUIAPI(http, NOBODY), path)
        await definitions.load()
        return definitions


async def models(service: Service) -> list[str]:
    """The checkpoints that `free_generation` may use; none where that is not known."""
    schema = (await service.http.get("/workflows/free_generation")).json()["parameters"]
    found: list[str] = schema["properties"]["model"].get("enum", [])
    return found


async def test_definitions_are_there_once_comfyui_is(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        found = await eventually(lambda: models(service))
    assert "sd_xl_base_1.0.safetensors" in found


async def test_definitions_outlive_comfyui_and_the_service(
    idle_fake: FakeComfyUI, tmp_path: Path
) -> None:
    kept = tmp_path / "data" / "object_info.json"
    async with running(idle_fake.url, object_info_path=kept) as service:
        await eventually(lambda: models(service))
        await eventually(kept.is_file)
    async with running(NOBODY, object_info_path=kept) as service:
        assert "sd_xl_base_1.0.safetensors" in await models(service)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


async def test_definitions_are_asked_for_anew_after_a_restart(tmp_path: Path) -> None:
    async with running_fake(models=("old.safetensors",)) as fake, running(fake.url) as service:
        await eventually(lambda: models(service))
        await fake.restart()
        fake.requests.clear()
        await eventually(lambda: fake.requests_to("GET", "/object_info"))


async def test_no_copy_is_no_definitions(tmp_path: Path) -> None:
    assert (await loaded(tmp_path / "missing.json")).current is None


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "\xff"])
async def test_broken_copy_is_no_definitions(tmp_path: Path, text: str) -> None:
    path = tmp_path / "object_info.json"
    path.write_bytes(text.encode("latin-1"))
    assert (await loaded(path)).current is None


@pytest.mark.parametrize("text", ["{}", '{"A": null}', '{"A": {"input": 7}}'])
async def test_odd_copy_does_no_harm(tmp_path: Path, text: str) -> None:
    path = tmp_path / "object_info.json"
    path.write_text(text)
    assert (await loaded(path)).current is not None


async def test_folder_that_cannot_be_written_does_no_harm(
    idle_fake: FakeComfyUI, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    kept = tmp_path / "file" / "object_info.json"
    async with running(idle_fake.url, object_info_path=kept) as service:
        assert await eventually(lambda: models(service))
