"""`POST /generate` with the engine that runs workflows: requests and files that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY, Service, problem, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARAMETERS: list[tuple[str, Any, str, str | None]] = [
    # parameter, value, what the message says, the hint
    ("stesp", 20, "no parameter 'stesp'", "steps"),
    ("steps", "20", "must be an integer, not '20'", None),
    ("steps", True, "must be an integer", None),
    ("steps", 2.5, "must be an integer", None),
    ("steps", [20], "must be an integer", None),
    ("steps", 0, "at least 1", "1"),
    ("steps", 151, "at most 150", "150"),
    ("width", 99, "a multiple of 8", "96"),
    ("width", 4097, "at most 4096", "4096"),
    ("cfg", 30.5, "at most 30", "30"),
    ("seed", 2**64, "at most 18446744073709551615", "18446744073709551615"),
    ("seed", -2, "at least 0", "0"),
    ("prompt", 7, "must be a string", None),
    ("prompt", {"text": "x"}, "must be a string", None),
]


@pytest.mark.parametrize(("name", "value", "says", "hint"), PARAMETERS, ids=str)
async def test_wrong_parameter_is_refused_by_name(
    engine: Service, name: str, value: Any, says: str, hint: str | None
) -> None:
    reply = await engine.generate("free_generation", **{name: value})
    document = problem(reply, 422, "invalid_parameter")
    assert document["parameter"] == name
    assert says in document["detail"]
    assert document.get("hint") == hint
    assert document["retryable"] is False


async def test_wrong_parameter_reaches_no_comfyui(idle_fake: FakeComfyUI) -> None:
    """Before any GPU second is spent."""
    async with running(idle_fake.url) as service:
        await service.generate("free_generation", steps=0)
    assert idle_fake.prompts == []


UNSAYABLE = [
    '"steps": NaN',
    '"cfg": Infinity',
    '"prompt": "\\ud800"',
    '"\\ud800": 1',
    '"steps": ' + "9" * 400,
    '"steps": 1e400',
    '"prompt": ' + "[" * 60 + "]" * 60,
    '"' + "x" * 100_000 + '": 1',
]


@pytest.mark.parametrize("member", UNSAYABLE, ids=lambda member: ascii(member)[:20])
async def test_value_that_nobody_can_use_is_422(engine: Service, member: str) -> None:
    reply = await engine.send(f'{{"workflow": "free_generation", "params": {{{member}}}}}')
    assert len(problem(reply, 422, "invalid_parameter")["detail"]) < 500


async def test_missing_workflow_is_404_with_the_names_that_exist(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    async with running(idle_fake.url, workflows_path=workflows) as service:
        document = problem(await service.generate("portrait"), 404, "workflow_not_found")
    assert {"free_generation", "selftest"} <= set(document["available"])
    assert "'portrait'" in document["detail"]
    assert "free_generation" in document["detail"]


async def test_workflow_is_looked_up_before_comfyui_is_asked() -> None:
    async with running(NOBODY) as service:
        problem(await service.generate("portrait"), 404, "workflow_not_found")


NAMES = [
    "../free_generation",
    "..",
    "a/../selftest",
    "/etc/passwd",
    "..\\selftest",
    "selftest\x00",
    ".selftest",
    "",
    "C:selftest",
    "selftest.params",
    "\ud800",
    "x" * 201,
    "é" * 200,
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
async def test_name_that_no_workflow_can_have_is_refused(engine: Service, name: str) -> None:
    document = problem(await engine.generate(name), 422, "invalid_workflow_name")
    assert "name of a file in the workflows folder" in document["detail"]


async def test_folder_beside_the_workflows_cannot_be_reached(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    (workflows.parent / "secret.json").write_text((workflows / "selftest.json").read_text())
    async with running(idle_fake.url, workflows_path=workflows) as service:
        assert (await service.generate("../secret")).status_code == 422
    assert idle_fake.prompts == []


BROKEN = {
    "half a file": ('{"1": ', "not valid JSON"),
    "editor format": ('{"nodes": [], "links": []}', "Export (API)"),
    "empty graph": ("{}", "Export (API)"),
    "not a graph": ('{"1": {"inputs": {}}}', "Export (API)"),
    "list": ("[]", "Export (API)"),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
async def test_broken_workflow_is_409_with_what_to_do(
    idle_fake: FakeComfyUI, workflows: Path, text: str, says: str
) -> None:
    (workflows / "broken.json").write_text(text)
    async with running(idle_fake.url, workflows_path=workflows) as service:
        document = problem(await service.generate("broken"), 409, "workflow_invalid")
    assert "broken.json" in document["detail"]
    assert says in document["detail"]


async def test_broken_sidecar_is_409_with_the_place(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    sidecar = {"parameters": {"width": {"node": "7", "input": "width", "type": "integer"}}}
    (workflows / "selftest.params.json").write_text(json.dumps(sidecar))
    async with running(idle_fake.url, workflows_path=workflows) as service:
        document = problem(await service.generate("selftest"), 409, "workflow_invalid")
    assert document["detail"].startswith("selftest.params.json: parameters.width")
