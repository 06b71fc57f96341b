"""Spec: GPU Service Structure, Generation Endpoint (Stub): the default engine's answers."""

import json
from typing import Any

import pytest

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import Service, problem, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACEHOLDER = {"status": "done", "image": "dummy_base64_placeholder", "error": None}
"""All of the answer."""


async def test_example_of_the_specification(stub: Service) -> None:
    """Spec: GPU Service Endpoints, Generate (Stub)."""
    reply = await stub.http.post(
        "/generate",
        json={"workflow": "free_generation", "params": {"prompt": "test", "steps": 20}},
    )
    assert (reply.status_code, reply.json()) == (200, PLACEHOLDER)


def ids(value: object) -> str:
    """A short name for a value, for the reports."""
    return ascii(value)[:20]


@pytest.mark.parametrize(
    "name", ["anything", "", "../../etc/passwd", "ünï", "\ud800", "a" * 5000], ids=ids
)
async def test_any_workflow_name_is_accepted(stub: Service, name: str) -> None:
    reply = await stub.send(json.dumps({"workflow": name}))
    assert (reply.status_code, reply.json()) == (200, PLACEHOLDER)


NESTED = "[" * 60 + "]" * 60


PARAMS = {
    "none": "{}",
    "any": '{"unknown": [1, {"deep": null}]}',
    "not a number": '{"x": NaN}',
    "half a character": '{"\\ud800": "\\udfff"}',
    "nested": f'{{"x": {NESTED}}}',
    "huge": '{"x": ' + "9" * 400 + "}",
}


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
async def test_any_params_are_accepted(stub: Service, params: str) -> None:
    body = f'{{"workflow": "free_generation", "params": {params}}}'
    reply = await stub.send(body)
    assert (reply.status_code, reply.json()) == (200, PLACEHOLDER)


async def test_params_may_be_left_out(stub: Service) -> None:
    reply = await stub.http.post("/generate", json={"workflow": "x"})
    assert reply.json() == PLACEHOLDER


async def test_comfyui_is_not_asked_to_run_anything(idle_fake: FakeComfyUI) -> None:
    """Spec: "No actual ComfyUI communication"."""
    async with serving(comfyui_api_url=idle_fake.url) as service:
        idle_fake.requests.clear()
        await service.generate("selftest")
    assert idle_fake.requests == []


async def test_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Spec: "Log request details"."""
    async with serving() as service:
        await service.generate("my_workflow", steps=20)
    assert "workflow='my_workflow' params={\"steps\": 20}" in caplog.text


async def test_prompt_is_logged_as_a_length(caplog: pytest.LogCaptureFixture) -> None:
    """Design §10."""
    async with serving() as service:
        await service.generate("x", prompt="a private wish")
    assert "private" not in caplog.text
    assert "<14 characters>" in caplog.text


async def test_prompt_is_logged_whole_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(log_level="DEBUG") as service:
        await service.generate("x", prompt="a private wish")
    assert "a private wish" in caplog.text


async def test_long_workflow_name_is_logged_in_part(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as service:
        await service.generate("x" * 10_000)
    assert max(len(record.getMessage()) for record in caplog.records) < 1000


INVALID: list[Any] = [
    {},
    {"params": {}},
    {"workflow": 1},
    {"workflow": None},
    {"workflow": "x", "params": []},
    {"workflow": "x", "params": "prompt"},
    {"workflow": "x", "params": None},
    {"workflow": "x", "params": {"x": json.loads("[" * 65 + "]" * 65)}},
    [],
    "x",
    None,
]


@pytest.mark.parametrize("body", INVALID, ids=ids)
async def test_what_breaks_the_schema_is_422_with_the_detail_list(stub: Service, body: Any) -> None:
    reply = await stub.http.post("/generate", json=body)
    detail = problem(reply, 422, "validation_error")["detail"]
    assert all(entry["loc"][0] == "body" and entry["msg"] for entry in detail)
    assert detail


async def test_what_is_no_json_is_422_with_the_detail_list(stub: Service) -> None:
    reply = await stub.send('{"workflow": ')
    assert problem(reply, 422, "validation_error")["detail"][0]["type"] == "json_invalid"


async def test_no_body_at_all_is_422(stub: Service) -> None:
    problem(await stub.http.post("/generate"), 422, "validation_error")


async def test_field_beyond_the_schema_is_ignored(stub: Service) -> None:
    reply = await stub.http.post("/generate", json={"workflow": "x", "priority": 1})
    assert reply.json() == PLACEHOLDER
