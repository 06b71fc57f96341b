"""The GPU services, as the doctor looks at them."""

from pathlib import Path

import httpx
import respx

from backend.doctor.finding import Level
from backend.doctor.gpu_services import look
from tests.backend.gpu_service import GPU_URL, OTHER_URL, GPUService
from tests.backend.serving import make_settings


async def test_one_that_answers_is_green(gpu: GPUService, tmp_path: Path) -> None:
    gpu.has_workflows("free_generation", "upscale")
    [finding] = await look(make_settings(tmp_path, gpu_service_url=GPU_URL))
    assert finding.level is Level.GREEN
    assert finding.text == f"{GPU_URL}, engine comfyui, 2 workflows"


async def test_each_of_several_is_told(respx_mock: respx.MockRouter, tmp_path: Path) -> None:
    respx_mock.get(f"{GPU_URL}/workflows").mock(side_effect=httpx.ConnectError)
    answer = {"engine": "stub", "workflows": []}
    respx_mock.get(f"{OTHER_URL}/workflows").respond(json=answer)
    settings = make_settings(tmp_path, gpu_service_url=f"{GPU_URL},{OTHER_URL}")
    away, empty = await look(settings)
    assert (away.level, empty.level) == (Level.RED, Level.YELLOW)
    assert GPU_URL in away.text
    assert OTHER_URL in empty.text


async def test_another_secret_is_told_with_the_way_out(
    respx_mock: respx.MockRouter, tmp_path: Path
) -> None:
    problem = {"code": "signature_invalid", "detail": "No.", "retryable": False}
    route = respx_mock.get(f"{GPU_URL}/workflows").respond(401, json=problem)
    secret = "0123456789abcdef"
    settings = make_settings(tmp_path, gpu_service_url=GPU_URL, gpu_service_secret=secret)
    [finding] = await look(settings)
    assert finding.level is Level.RED
    assert "GPU_SERVICE_SECRET" in finding.way_out
    assert "X-Gateway-Signature" in route.calls[0].request.headers


async def test_something_else_on_its_port_is_told(
    respx_mock: respx.MockRouter, tmp_path: Path
) -> None:
    respx_mock.get(f"{GPU_URL}/workflows").respond(json={"hello": "world"})
    [finding] = await look(make_settings(tmp_path, gpu_service_url=GPU_URL))
    assert finding.level is Level.RED
    assert finding.text == f"what answers at {GPU_URL} is no GPU service"
