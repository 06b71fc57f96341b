"""The backend's client against the GPU service itself: the services share this and no code."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pydantic
import pytest
from fastapi import FastAPI
from pydantic_core import to_json

import backend.schemas.catalogue
import backend.schemas.gpu_job
import gpu_server.schemas.catalogue
import gpu_server.schemas.job
from backend.clients.gpu_client import GPUClient
from backend.errors import GPUServiceRefused
from gpu_server import errors
from gpu_server.config import Engine
from gpu_server.errors import GPUServiceError
from gpu_server.problems import add_error_handlers
from gpu_server.services.event_log import EventKind
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import SMALL, jobs_of, new_id
from tests.gpu_server.serving import serving

REFUSALS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, GPUServiceError)
    and value not in (GPUServiceError, errors.ComfyUIExecutionFailed)
]
"""All but the root, and the failure that is an answer."""


@asynccontextmanager
async def client(**settings: Any) -> AsyncIterator[GPUClient]:
    """The backend's client of a GPU service with these settings."""
    async with serving(**settings) as service:
        yield GPUClient(service.http, "http://gpu")


async def refusal(gpu: GPUClient, workflow: str, **params: Any) -> GPUServiceRefused:
    with pytest.raises(GPUServiceRefused) as caught:
        await gpu.generate(workflow, params)
    return caught.value


async def test_stub_answers_what_the_specification_says() -> None:
    async with client() as gpu:
        answer = await gpu.generate("free_generation", {"prompt": "test", "steps": 20})
    assert answer == {"status": "done", "image": "dummy_base64_placeholder", "error": None}


async def test_image_comes_through(fake: FakeComfyUI) -> None:
    async with client(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as gpu:
        answer = await gpu.generate("free_generation", SMALL)
    assert (answer["status"], answer["error"]) == ("done", None)
    assert answer["image"].startswith("iVBORw0KGgo")


async def test_job_that_failed_is_an_answer(fake: FakeComfyUI) -> None:
    fake.faults.set("execution_error")
    async with client(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as gpu:
        answer = await gpu.generate("free_generation", SMALL)
    assert (answer["status"], answer["image"]) == ("failed", None)
    assert "Sampler" in answer["error"]


async def test_refused_parameter_comes_with_its_name_and_hint(fake: FakeComfyUI) -> None:
    async with client(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as gpu:
        error = await refusal(gpu, "free_generation", width=99)
    assert (error.code, error.retryable) == ("invalid_parameter", False)
    assert error.extra == {"parameter": "width", "hint": "96"}
    assert "a multiple of 8" in error.message


async def test_missing_workflow_comes_with_the_names_that_exist(fake: FakeComfyUI) -> None:
    async with client(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as gpu:
        error = await refusal(gpu, "missing")
    assert (error.code, error.retryable) == ("workflow_not_found", False)
    assert "selftest" in error.message


async def test_comfyui_away_may_be_tried_again() -> None:
    async with client(generation_engine=Engine.COMFYUI) as gpu:
        error = await refusal(gpu, "selftest")
    assert (error.code, error.retryable) == ("comfyui_unavailable", True)


async def test_body_that_is_too_large_is_not_tried_again() -> None:
    async with client(max_body_mb=1) as gpu:
        error = await refusal(gpu, "x", prompt="x" * 1024 * 1024)
    assert (error.code, error.retryable) == ("body_too_large", False)
    assert "MAX_BODY_MB" in error.message


async def test_body_that_breaks_the_schema_is_not_tried_again() -> None:
    async with client() as gpu:
        with pytest.raises(GPUServiceRefused) as caught:
            await gpu.generate("x", [])  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.retryable) == ("validation_error", False)


def refusing(error: GPUServiceError) -> httpx.AsyncClient:
    """A GPU service whose every answer is this error, as the real handlers render it."""
    app = FastAPI()
    add_error_handlers(app)

    @app.post("/generate")
    async def generate() -> None:
        raise error

    return httpx.AsyncClient(transport=httpx.ASGITransport(app))


@pytest.mark.parametrize("error", REFUSALS)
async def test_every_refusal_keeps_its_words_its_code_and_whether_to_try_again(
    error: type[GPUServiceError],
) -> None:
    async with refusing(error("Do this.", parameter="width", hint="96")) as http:
        told = await refusal(GPUClient(http, "http://gpu"), "x")
    assert (told.message, told.code, told.retryable) == ("Do this.", error.code, error.retryable)
    assert told.extra == {"parameter": "width", "hint": "96"}


@pytest.mark.parametrize("engine", Engine)
async def test_catalogue_names_engine_and_workflows(engine: Engine) -> None:
    async with client(generation_engine=engine) as gpu:
        catalogue = await gpu.catalogue()
    assert catalogue is not None
    assert catalogue.engine == engine.value
    assert {"free_generation", "selftest"} <= {entry.name for entry in catalogue.workflows}


async def test_catalogue_arrives_as_it_was_sent() -> None:
    async with serving() as service:
        sent = (await service.http.get("/workflows")).json()
        read = await GPUClient(service.http, "http://gpu").catalogue()
    assert read is not None
    assert read.model_dump(mode="json") == sent


async def test_broken_workflow_arrives_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    async with client(workflows_path=tmp_path) as gpu:
        catalogue = await gpu.catalogue()
    assert catalogue is not None
    [entry] = catalogue.workflows
    assert (entry.name, entry.parameters) == ("broken", None)
    assert "broken.json" in str(entry.error)


PAIRS: list[tuple[type[pydantic.BaseModel], type[pydantic.BaseModel]]] = [
    (gpu_server.schemas.catalogue.Catalogue, backend.schemas.catalogue.Catalogue),
    (gpu_server.schemas.job.JobResponse, backend.schemas.gpu_job.GPUJob),
]
"""What is sent, and what it is read into."""
WORDS = {"title", "description", "default"}


def shape(node: Any, known: dict[str, Any]) -> Any:
    """Names and types of a JSON Schema, to be compared: classes' names and words left out."""
    if isinstance(node, list):
        return [shape(each, known) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return shape(known[node["$ref"].rpartition("/")[2]], known)
    told = {key: value for key, value in node.items() if key not in WORDS | {"$defs", "required"}}
    if "properties" in node:
        properties = node["properties"].items()
        told["properties"] = {name: shape(each, known) for name, each in properties}
    return {
        key: shape(value, known) if key != "properties" else value for key, value in told.items()
    }


def shape_of(model: type[pydantic.BaseModel]) -> Any:
    schema = model.model_json_schema(mode="serialization")
    return shape(schema, schema.get("$defs", {}))


@pytest.mark.parametrize(("sent", "read"), PAIRS)
def test_both_services_describe_it_alike(
    sent: type[pydantic.BaseModel], read: type[pydantic.BaseModel]
) -> None:
    """Each field that the GPU service sends is known to the backend, with its type."""
    assert shape_of(sent) == shape_of(read)


async def test_health_is_true_while_the_service_can_work() -> None:
    """Degraded is no illness: it answers 200."""
    async with client() as gpu:
        assert await gpu.check_health() is True


async def test_health_is_false_where_nothing_can_run(tmp_path: Path) -> None:
    async with client(generation_engine=Engine.COMFYUI, workflows_path=tmp_path / "missing") as gpu:
        assert await gpu.check_health() is False


async def test_catalogue_that_has_not_changed_is_not_sent_again() -> None:
    async with client() as gpu:
        assert await gpu.catalogue() is not None
        assert await gpu.catalogue() is None


async def test_catalogue_asked_anew_is_sent(fake: FakeComfyUI) -> None:
    async with client(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as gpu:
        await gpu.catalogue()
        assert await gpu.catalogue(anew=True) is not None


@asynccontextmanager
async def comfyui_client(fake: FakeComfyUI) -> AsyncIterator[GPUClient]:
    async with client(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as gpu:
        yield gpu


async def test_job_is_followed_to_its_end_and_its_files_are_fetched(fake: FakeComfyUI) -> None:
    async with comfyui_client(fake) as gpu:
        job_id = new_id()
        events = [
            event async for event in gpu.run_job(job_id, "free_generation", SMALL, resume=False)
        ]
        job = events[-1].ended
        assert job is not None
        files = [await gpu.output(job_id, output.number) for output in job.outputs]
    assert [event.kind for event in events][-2:] == ["output", "done"]
    assert (job.id, job.state, job.progress) == (job_id, "done", 1.0)
    assert [len(file) for file in files] == [output.size for output in job.outputs]
    assert job.values["seed"] >= 0


async def test_parameters_that_are_json_already_arrive_with_the_others(
    fake: FakeComfyUI,
) -> None:
    words = '"ü"\n' * 200_000
    async with comfyui_client(fake) as gpu:
        run = gpu.run_job(
            new_id(), "free_generation", SMALL, resume=False, encoded={"prompt": to_json(words)}
        )
        job = [event async for event in run][-1].ended
    assert job is not None
    assert job.values["prompt"] == words
    assert job.values["steps"] == SMALL["steps"]


async def test_preview_of_a_job_arrives_as_a_picture(fake: FakeComfyUI) -> None:
    fake.faults.set("previews")
    async with comfyui_client(fake) as gpu:
        run = gpu.run_job(new_id(), "free_generation", SMALL, resume=False)
        previews = [event.preview async for event in run if event.kind == "preview"]
    assert previews
    assert previews[0] is not None
    assert previews[0].content_type in ("image/jpeg", "image/png")
    assert base64.b64decode(previews[0].image, validate=True)[:2] in (b"\xff\xd8", b"\x89P")


async def test_job_that_failed_comes_with_a_problem(fake: FakeComfyUI) -> None:
    fake.faults.set("execution_error")
    async with comfyui_client(fake) as gpu:
        run = gpu.run_job(new_id(), "free_generation", SMALL, resume=False)
        last = [event async for event in run][-1]
    job = last.ended
    assert job is not None
    assert (last.kind, job.state) == ("failed", "failed")
    assert job.error is not None
    assert (job.error["code"], job.error["retryable"]) == ("comfyui_execution_failed", False)


async def test_job_that_is_refused_is_refused_in_the_gpu_service_s_words(
    fake: FakeComfyUI,
) -> None:
    async with comfyui_client(fake) as gpu:
        with pytest.raises(GPUServiceRefused) as caught:
            run = gpu.run_job(new_id(), "free_generation", {"steps": 0}, resume=False)
            assert [event async for event in run] == []
    assert caught.value.code == "invalid_parameter"


async def test_no_free_slot_may_be_tried_again(fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with serving(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as service:
        for _ in range(2):
            await jobs_of(service).start()
        gpu = GPUClient(service.http, "http://gpu")
        with pytest.raises(GPUServiceRefused) as caught:
            run = gpu.run_job(new_id(), "free_generation", SMALL, resume=False)
            assert [event async for event in run] == []
    assert (caught.value.code, caught.value.retryable) == ("no_free_slot", True)


async def test_job_is_cancelled(fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with serving(generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url) as service:
        job_id = await jobs_of(service).start()
        await GPUClient(service.http, "http://gpu").cancel_job(job_id)
        assert (await jobs_of(service).get(job_id))["state"] == "cancelled"


def test_every_kind_of_event_is_one_that_the_backend_was_written_for() -> None:
    """A new one here is a question to the backend."""
    kinds = {"queued", "started", "progress", "preview", "output", "done", "failed", "cancelled"}
    assert {kind.value for kind in EventKind} == kinds
