"""`POST /generate`: what it takes, answers and passes on."""

import uuid
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.store.sqlite.store import SQLiteTaskStore
from tests.backend.gpu_service import GPUService
from tests.backend.serving import ended, running, serving
from tests.conditions import eventually

SPEC_REQUEST = {
    "mode": "free",
    "prompt": "test prompt",
    "style": "realistic",
    "extra_params": {},
}


EVERY_FIELD = {
    "mode": "free",
    "prompt": "p",
    "style": "anime",
    "face_images": ["aGk="],
    "target_image": "aGk=",
    "extra_params": {"steps": 20},
}


JSON = {"Content-Type": "application/json"}


async def test_specification_s_request_is_answered_as_written(client: httpx.AsyncClient) -> None:
    """Spec: API Specifications, Generate Image (Stub): the whole answer."""
    reply = await client.post("/generate", json=SPEC_REQUEST)
    assert reply.status_code == 200
    task_id = reply.json()["task_id"]
    assert reply.json() == {"task_id": task_id, "status": "queued", "image": None, "error": None}


async def test_fields_are_in_the_specification_s_order(client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, Response Schema."""
    reply = await client.post("/generate", json=SPEC_REQUEST)
    assert list(reply.json()) == ["task_id", "status", "image", "error"]


async def test_task_id_is_a_uuid(client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, Response Schema: UUID for tracking."""
    task_id = (await client.post("/generate", json=SPEC_REQUEST)).json()["task_id"]
    assert str(uuid.UUID(task_id)) == task_id


async def test_every_request_gets_a_task_of_its_own(client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, MVP Stub Behavior 2."""
    first = (await client.post("/generate", json=SPEC_REQUEST)).json()["task_id"]
    assert (await client.post("/generate", json=SPEC_REQUEST)).json()["task_id"] != first


async def test_answers_while_the_gpu_service_is_away(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    """Spec: Generation Router, MVP Stub Behavior 3 and 5."""
    gpu.always(httpx.ConnectError("refused"))
    reply = await client.post("/generate", json=SPEC_REQUEST)
    assert reply.json()["status"] == "queued"


async def test_task_is_on_disk_once_it_is_answered(settings: Settings, gpu: GPUService) -> None:
    gpu.holds()
    async with serving(settings) as client:
        task_id = (await client.post("/generate", json=SPEC_REQUEST)).json()["task_id"]
    store = SQLiteTaskStore(settings.data_path)
    await store.open()
    kept = await store.get(task_id)
    await store.close()
    assert kept is not None
    assert kept.mode == "free"


@pytest.mark.parametrize("mode", ["free", "anything at all", "", "Ünïcödé", "../../etc"])
async def test_stub_takes_any_mode(client: httpx.AsyncClient, mode: str) -> None:
    """Spec: Generation Router, Request Schema: mode (stub accepts any)."""
    assert (await client.post("/generate", json={"mode": mode})).status_code == 200


async def test_takes_every_field(client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, Request Schema."""
    assert (await client.post("/generate", json=EVERY_FIELD)).status_code == 200


@pytest.mark.parametrize("field", [name for name in EVERY_FIELD if name != "mode"])
async def test_field_may_be_missing(client: httpx.AsyncClient, field: str) -> None:
    """Spec: Generation Router, Request Schema, Required: No."""
    request = {name: value for name, value in EVERY_FIELD.items() if name != field}
    assert (await client.post("/generate", json=request)).status_code == 200


@pytest.mark.parametrize("field", [name for name in EVERY_FIELD if name != "mode"])
async def test_field_may_be_null(client: httpx.AsyncClient, field: str) -> None:
    assert (await client.post("/generate", json={**EVERY_FIELD, field: None})).status_code == 200


async def test_mode_must_be_there(client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, Request Schema: mode, Required: Yes."""
    reply = await client.post("/generate", json={"prompt": "p"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "mode"]
    assert reply.json()["detail"][0]["type"] == "missing"


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("mode", 1, ["body", "mode"]),
        ("mode", None, ["body", "mode"]),
        ("prompt", ["p"], ["body", "prompt"]),
        ("style", {}, ["body", "style"]),
        ("face_images", "aGk=", ["body", "face_images"]),
        ("face_images", ["aGk=", 1], ["body", "face_images", 1]),
        ("target_image", True, ["body", "target_image"]),
        ("extra_params", [], ["body", "extra_params"]),
        ("extra_params", "steps=20", ["body", "extra_params"]),
    ],
)
async def test_wrong_type_is_refused_by_name(
    client: httpx.AsyncClient, field: str, value: Any, place: list[Any]
) -> None:
    """Spec: Generation Router, Request Schema: types; Generation Endpoint Testing 2."""
    reply = await client.post("/generate", json={**EVERY_FIELD, field: value})
    assert reply.status_code == 422
    assert [error["loc"] for error in reply.json()["detail"]] == [place]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"mode=free", b'{"mode": "a",}', b"[]", b'"free"', b"null", b'{"mode":"\xff"}'],
)
async def test_invalid_json_is_422_with_validation_errors(
    client: httpx.AsyncClient, body: bytes
) -> None:
    """Spec: Generation Endpoint Testing 2."""
    reply = await client.post("/generate", content=body, headers=JSON)
    assert reply.status_code == 422
    assert {"type", "loc", "msg"} <= set(reply.json()["detail"][0])


async def test_unknown_fields_are_ignored(client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, MVP Stub Behavior 1."""
    reply = await client.post("/generate", json={"mode": "free", "colour": "red"})
    assert reply.status_code == 200


async def test_task_goes_from_queued_over_running_to_done(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    release = gpu.holds()
    task_id = (await client.post("/generate", json=SPEC_REQUEST)).json()["task_id"]
    await eventually(running(client, task_id))
    release.set()
    assert (await ended(client, task_id))["status"] == "done"


async def test_gpu_service_gets_workflow_and_styled_prompt(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    request = {"mode": "free", "prompt": "a cat", "style": "anime", "extra_params": {"steps": 4}}
    await ended(client, (await client.post("/generate", json=request)).json()["task_id"])
    sent = gpu.jobs[0].sent
    assert sent["workflow"] == "free_generation"
    assert sent["params"] == {
        "prompt": "anime drawing of a cat, expressive, detailed background",
        "negative_prompt": "photograph, realistic",
        "steps": 4,
    }


async def test_request_timeout_is_what_the_gpu_service_gets(
    gpu: GPUService, settings: Settings
) -> None:
    """Spec: Configuration Parameters: request_timeout."""
    async with serving(settings, request_timeout=11) as client:
        reply = await client.post("/generate", json=SPEC_REQUEST)
        await ended(client, reply.json()["task_id"])
    assert gpu.output.calls.last.request.extensions["timeout"]["read"] == 11


async def test_request_timeout_is_what_a_job_gets(gpu: GPUService, settings: Settings) -> None:
    """Spec: Configuration Parameters: request_timeout."""
    gpu.holds()
    async with serving(settings, request_timeout=1) as client:
        reply = await client.post("/generate", json=SPEC_REQUEST)
        task = await ended(client, reply.json()["task_id"])
    assert task["error_code"] == "gpu_service_timeout"
    assert "within 1 s" in task["error"]
