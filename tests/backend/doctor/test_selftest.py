"""One image end to end, as the doctor asks for it."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from backend.clients.gpu_client import GPUClient
from backend.doctor.finding import Finding, Level
from backend.doctor.selftest import main, run
from tests import plain_http
from tests.backend.gpu_service import GPU_URL
from tests.backend.making import picture

BACKEND = "http://backend.test:8000"
IMAGE = base64.b64encode(picture()).decode()
DONE = {"task_id": "t", "status": "done", "image": IMAGE, "error": None}


class Wire:
    """The backend and one GPU service."""

    def __init__(self, router: respx.MockRouter, http: httpx.AsyncClient) -> None:
        self.router = router
        self._http = http
        self.engine("comfyui")
        self.comfyui(there=True)
        self.readiness([])

    def engine(self, name: str) -> None:
        answer = {"engine": name, "workflows": []}
        self.router.get(f"{GPU_URL}/workflows").respond(json=answer)

    def comfyui(self, *, there: bool) -> None:
        self.router.get(f"{GPU_URL}/health").respond(json={"comfyui_available": there})

    def readiness(self, reasons: list[dict[str, str]]) -> None:
        status = 503 if reasons else 200
        self.router.get(f"{BACKEND}/readyz").respond(status, json={"reasons": reasons})

    def backend(self, status: int, answer: dict[str, Any]) -> respx.Route:
        return self.router.post(f"{BACKEND}/generate").respond(status, json=answer)

    def gpu_service(self) -> respx.Route:
        answer = {"status": "done", "image": IMAGE, "error": None}
        return self.router.post(f"{GPU_URL}/generate").respond(json=answer)

    async def selftest(self, *, with_backend: bool = True) -> Finding | None:
        async with plain_http.AsyncClient(base_url=BACKEND) as backend:
            services = [GPUClient(self._http, GPU_URL)]
            return await run(backend if with_backend else None, services)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    with respx.mock(assert_all_called=False) as router:
        async with plain_http.AsyncClient() as http:
            yield Wire(router, http)


async def test_an_image_through_everything_is_green(wire: Wire) -> None:
    route = wire.backend(200, DONE)
    finding = await wire.selftest()
    assert finding is not None
    assert finding.level is Level.GREEN
    assert "PNG came back through the backend, the GPU service and ComfyUI" in finding.text
    request = route.calls[0].request
    assert request.headers["Prefer"] == "wait=60"
    assert json.loads(request.content) == {"mode": "selftest"}


async def test_nothing_is_tried_with_the_stub(wire: Wire) -> None:
    wire.engine("stub")
    assert await wire.selftest() is None


async def test_nothing_is_tried_without_comfyui(wire: Wire) -> None:
    wire.comfyui(there=False)
    assert await wire.selftest() is None


async def test_a_placeholder_is_no_image(wire: Wire) -> None:
    wire.backend(200, {**DONE, "image": "dummy_base64_placeholder"})
    finding = await wire.selftest()
    assert finding is not None
    assert finding.level is Level.RED


async def test_a_task_that_failed_is_red_with_its_reason(wire: Wire) -> None:
    wire.backend(200, {**DONE, "status": "failed", "image": None, "error": "Out of memory."})
    finding = await wire.selftest()
    assert finding is not None
    assert finding.text == "it failed: Out of memory."


async def test_a_full_queue_is_not_left_fuller(wire: Wire) -> None:
    wire.backend(202, {**DONE, "status": "queued", "image": None})
    cancelled = wire.router.delete(f"{BACKEND}/tasks/t").respond(200, json={})
    finding = await wire.selftest()
    assert finding is not None
    assert finding.level is Level.YELLOW
    assert cancelled.called


async def test_a_refusal_is_red_in_the_backends_words(wire: Wire) -> None:
    wire.backend(507, {"detail": "The disk is nearly full."})
    finding = await wire.selftest()
    assert finding is not None
    assert finding.text == "the backend refuses it: The disk is nearly full."


@pytest.mark.parametrize("status", [401, 403])
async def test_where_a_key_is_asked_for_the_gpu_service_is(wire: Wire, status: int) -> None:
    wire.backend(status, {})
    wire.gpu_service()
    finding = await wire.selftest()
    assert finding is not None
    assert finding.level is Level.GREEN
    assert "through the GPU service and ComfyUI alone (the backend asks for a key" in finding.text


async def test_a_backend_that_is_not_ready_gets_no_task(wire: Wire) -> None:
    wire.readiness([{"check": "draining", "detail": "An admin drains it."}])
    route = wire.backend(200, DONE)
    finding = await wire.selftest()
    assert finding is not None
    assert finding.level is Level.YELLOW
    assert finding.text == "is not tried: the backend is not ready (draining)"
    assert not route.called


async def test_without_a_backend_of_ours_nobody_is_taken_for_it(wire: Wire) -> None:
    wire.gpu_service()
    finding = await wire.selftest(with_backend=False)
    assert finding is not None
    assert finding.level is Level.GREEN
    assert "alone (no backend of ours listens)" in finding.text
    assert not any(call.request.url.host == "backend.test" for call in wire.router.calls)


async def test_wrong_settings_are_not_told_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUEST_TIMEOUT", "soon")
    await main(BACKEND)
    assert capsys.readouterr() == ("", "")


async def test_where_no_backend_answers_the_gpu_service_is_asked(wire: Wire) -> None:
    wire.router.post(f"{BACKEND}/generate").mock(side_effect=httpx.ConnectError)
    problem = {"code": "comfyui_error", "detail": "It broke.", "retryable": False}
    wire.router.post(f"{GPU_URL}/generate").respond(500, json=problem)
    finding = await wire.selftest()
    assert finding is not None
    assert finding.level is Level.RED
    assert "It broke." in finding.text
