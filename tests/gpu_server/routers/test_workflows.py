"""`GET /workflows`: what can be run here."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gpu_server.config import Engine
from tests.gpu_server.serving import Service, serving

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


async def entries(service: Service) -> dict[str, dict[str, Any]]:
    """The catalogue's workflows by name."""
    reply = await service.http.get("/workflows")
    assert reply.status_code == 200, reply.text
    return {entry["name"]: entry for entry in reply.json()["workflows"]}


@pytest.mark.parametrize("engine", Engine)
async def test_catalogue_names_the_engine(engine: Engine) -> None:
    async with serving(generation_engine=engine) as service:
        assert (await service.http.get("/workflows")).json()["engine"] == engine.value


async def test_shipped_workflows_are_listed() -> None:
    async with serving() as service:
        assert {"free_generation", "selftest"} <= set(await entries(service))


async def test_entry_has_title_description_and_no_error() -> None:
    async with serving() as service:
        entry = (await entries(service))["selftest"]
    told = {"name", "title", "description", "parameters", "outputs", "timeout", "error"}
    assert set(entry) == told | {"missing_nodes", "missing_models"}
    assert entry["title"] == "Self-test"
    assert entry["error"] is None


async def test_parameters_are_a_json_schema() -> None:
    async with serving() as service:
        schema = (await entries(service))["free_generation"]["parameters"]
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    assert schema["properties"]["width"] == {
        "type": "integer",
        "description": "Pixels.",
        "default": 1024,
        "minimum": 64,
        "maximum": 4096,
        "multipleOf": 8,
    }


async def test_largest_seed_is_published_exactly() -> None:
    async with serving() as service:
        reply = await service.http.get("/workflows")
    assert "18446744073709551615" in reply.text


async def test_sidecars_are_not_listed(workflows: Path) -> None:
    async with serving(workflows_path=workflows) as service:
        assert [name for name in await entries(service) if "params" in name] == []


async def test_new_file_is_there_without_a_restart(workflows: Path) -> None:
    async with serving(workflows_path=workflows) as service:
        before = await entries(service)
        (workflows / "mine.json").write_text(json.dumps(GRAPH))
        after = await entries(service)
    assert set(after) - set(before) == {"mine"}


async def test_file_without_a_sidecar_has_no_parameters(workflows: Path) -> None:
    (workflows / "mine.json").write_text(json.dumps(GRAPH))
    async with serving(workflows_path=workflows) as service:
        assert (await entries(service))["mine"]["parameters"]["properties"] == {}


BROKEN = {
    "half a file": '{"1": ',
    "editor format": '{"nodes": [], "links": []}',
    "empty graph": "{}",
    "not an object": "[]",
    "not a number": '{"1": {"class_type": "A", "inputs": {"cfg": NaN}}}',
    "half a character": '{"1": {"class_type": "A", "inputs": {"text": "\\ud800"}}}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
async def test_broken_file_is_listed_with_its_error(workflows: Path, text: str) -> None:
    (workflows / "broken.json").write_text(text)
    sidecar = {
        "parameters": {
            "cfg": {"node": "1", "input": "cfg", "type": "number"},
        }
    }
    (workflows / "broken.params.json").write_text(json.dumps(sidecar))
    async with serving(workflows_path=workflows) as service:
        listed = await entries(service)
    assert listed["broken"]["parameters"] is None
    assert "broken.json" in listed["broken"]["error"]
    assert listed["selftest"]["error"] is None


async def test_broken_sidecar_is_listed_with_its_error(workflows: Path) -> None:
    (workflows / "selftest.params.json").write_text('{"parameters": {"width": {}}}')
    async with serving(workflows_path=workflows) as service:
        error = (await entries(service))["selftest"]["error"]
    assert "selftest.params.json" in error
    assert "parameters.width" in error


@pytest.mark.parametrize("name", [".hidden", "._selftest", "a:b", "tab\t", "back\\slash"])
async def test_file_with_a_name_that_no_workflow_can_have_is_left_out(
    workflows: Path, name: str
) -> None:
    """What a Mac or an editor leaves beside a workflow spoils nobody else's."""
    (workflows / f"{name}.json").write_text(json.dumps(GRAPH))
    async with serving(workflows_path=workflows) as service:
        listed = await entries(service)
    assert name not in listed
    assert "selftest" in listed


async def test_file_with_a_name_that_is_no_text_is_left_out(workflows: Path) -> None:
    (workflows / os.fsdecode(b"\xff.json")).write_text(json.dumps(GRAPH))
    async with serving(workflows_path=workflows) as service:
        assert "selftest" in await entries(service)


async def test_folder_that_is_not_there_has_no_workflows(tmp_path: Path) -> None:
    async with serving(workflows_path=tmp_path / "missing") as service:
        assert await entries(service) == {}


async def test_folder_called_like_a_workflow_is_left_out(workflows: Path) -> None:
    (workflows / "folder.json").mkdir()
    async with serving(workflows_path=workflows) as service:
        assert "folder" not in await entries(service)
