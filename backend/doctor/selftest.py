"""One image end to end: `python -m backend.doctor.selftest [BACKEND_URL]`.

The workflow `selftest` needs no model. It goes through the backend; where that asks for a key that
is not given (DOCTOR_API_KEY), or there is none to be asked, through the GPU service alone. With
the stub engine, or without ComfyUI, nothing is tried and nothing said; nor with wrong settings,
which `settings.py` tells. A backend that is not ready, as it is drained, gets no task.
"""

import asyncio
import base64
import io
import os
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
from PIL import Image, UnidentifiedImageError

from backend.clients.gpu_client import GPUClient
from backend.doctor import gpu_services, probes, settings
from backend.doctor.finding import Finding, green, red, yellow
from backend.errors import GPUServiceError

SUBJECT = "selftest"
WAIT_SECONDS = 60
HEADERS = {"Prefer": f"wait={WAIT_SECONDS}", "X-Priority": "high", "Cancel-After": "90s"}
KEY_NEEDED = (401, 403)


async def run(backend: httpx.AsyncClient | None, services: list[GPUClient]) -> Finding | None:
    """The way that is open, or None where no image is to be had from anywhere."""
    service = await _at_work(services)
    if service is None:
        return None
    if backend is None:
        return await _without_backend(service, "no backend of ours listens")
    for check, _ in (await probes.told(backend, "/readyz")).get("reasons", []):
        return yellow(SUBJECT, f"is not tried: the backend is not ready ({check})")
    return await _through(backend, service)


async def _through(backend: httpx.AsyncClient, service: GPUClient) -> Finding:
    begun = time.monotonic()
    try:
        reply = await backend.post("/generate", json={"mode": "selftest"}, headers=HEADERS)
        if reply.status_code == 202:
            await backend.delete(f"/tasks/{_object(reply).get('task_id')}")
    except httpx.HTTPError as exc:
        return await _without_backend(service, f"the backend does not answer: {type(exc).__name__}")
    if reply.status_code in KEY_NEEDED:
        return await _without_backend(service, "the backend asks for a key: DOCTOR_API_KEY=…")
    return _outcome(reply, begun)


def _outcome(reply: httpx.Response, begun: float) -> Finding:
    task = _object(reply)
    if reply.status_code == 202:
        text = f"it was still {task.get('status')} after {WAIT_SECONDS} s, and was cancelled"
        return yellow(SUBJECT, text, "other tasks may be longer: try again")
    if reply.status_code != 200:
        return red(SUBJECT, f"the backend refuses it: {task.get('detail') or reply.status_code}")
    if task.get("status") != "done":
        return red(SUBJECT, f"it failed: {task.get('error')}", "the logs carry the task's id")
    return _judged(task.get("image"), begun, "the backend, the GPU service and ComfyUI")


async def _at_work(services: list[GPUClient]) -> GPUClient | None:
    """One whose engine is ComfyUI, which answers."""
    for service in services:
        try:
            catalogue = await service.catalogue()
        except (GPUServiceError, ValueError):
            continue
        real = catalogue is not None and catalogue.engine == "comfyui"
        if real and await service.check_health(with_comfyui=True):
            return service
    return None


async def _without_backend(service: GPUClient, why: str) -> Finding:
    begun = time.monotonic()
    try:
        answer = await service.generate("selftest", {})
    except GPUServiceError as exc:
        return red(SUBJECT, f"it failed: {exc.message}", "the GPU service's log says more")
    return _judged(answer.get("image"), begun, f"the GPU service and ComfyUI alone ({why})")


def _judged(image: Any, begun: float, way: str) -> Finding:
    """Only an image counts."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(str(image)))) as opened:
            what = f"{opened.width}x{opened.height} {opened.format}"
    except (ValueError, UnidentifiedImageError, OSError):
        return red(SUBJECT, f"what came back through {way} is no image")
    return green(SUBJECT, f"a {what} came back through {way}, in {time.monotonic() - begun:.1f} s")


def _object(reply: httpx.Response) -> dict[str, Any]:
    try:
        answer = reply.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


async def main(backend_url: str | None = None) -> None:
    """Print the finding, where there is one. Without a URL the key is sent to nobody."""
    sound, _ = settings.look()
    if sound is None:
        return
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(gpu_services.client(sound))
        services = [GPUClient(http, url, WAIT_SECONDS) for url in sound.gpu_service_urls]
        backend = None
        if backend_url is not None:
            key = os.environ.get("DOCTOR_API_KEY")
            headers = {"X-API-Key": key} if key else {}
            backend = await stack.enter_async_context(
                probes.client(backend_url, headers=headers, timeout=WAIT_SECONDS + 10)
            )
        finding = await run(backend, services)
    if finding is not None:
        print(finding.line())  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
