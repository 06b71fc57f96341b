"""The GPU services that the backend is to use: whether they answer, and take its requests."""

import asyncio

import httpx

from backend.clients.gpu_client import GPUClient
from backend.clients.signature import RequestSignature
from backend.clients.trust import trust_in
from backend.config import Settings
from backend.doctor.finding import Finding, green, red, yellow
from backend.errors import GPUServiceError, GPUServiceRefused
from backend.services.gpu_services import SIGNATURE_CODES

SUBJECT = "gpu service"
START = "start it (./startup.sh), or set GPU_SERVICE_URL"
SAME = "set GPU_SERVICE_SECRET to the same on both sides, and restart both"


def client(settings: Settings) -> httpx.AsyncClient:
    """As the backend has it."""
    secret = settings.gpu_service_secret
    return httpx.AsyncClient(
        trust_env=False,
        auth=RequestSignature(secret) if secret else None,
        verify=trust_in(settings.gpu_service_ca_file),
    )


async def look(settings: Settings) -> list[Finding]:
    """One finding for each URL."""
    async with client(settings) as http:
        services = [GPUClient(http, url) for url in settings.gpu_service_urls]
        return list(await asyncio.gather(*map(_look_at, services)))


async def _look_at(service: GPUClient) -> Finding:
    try:
        catalogue = await service.catalogue()
    except GPUServiceRefused as exc:
        if exc.code in SIGNATURE_CODES:
            return red(SUBJECT, f"{service.place} does not take our signature", SAME)
        return red(SUBJECT, f"{service.place} refuses: {exc.message}")
    except GPUServiceError as exc:
        return red(SUBJECT, exc.message, START)
    except ValueError:
        return red(SUBJECT, f"what answers at {service.place} is no GPU service", START)
    if catalogue is None or not catalogue.workflows:
        return yellow(SUBJECT, f"{service.place} has no workflows", "see its WORKFLOWS_PATH")
    number = len(catalogue.workflows)
    return green(SUBJECT, f"{service.place}, engine {catalogue.engine}, {number} workflows")
