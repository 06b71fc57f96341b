"""The GPU service's application: `cd gpu_server && uvicorn main:app`, or `python server.py`."""

import asyncio
import logging
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path

# Started from inside this folder, as the specification has it, the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from fastapi import FastAPI

from gpu_server import __version__
from gpu_server.body_limit import BodyLimit
from gpu_server.care.caretaker import caretaker, told_in_vain
from gpu_server.comfy_client import ComfyClient, ComfyUIClient, StubComfyClient
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.definitions import NodeDefinitions
from gpu_server.comfyui.inputs import InputImages
from gpu_server.comfyui.socket import ComfyUISocket
from gpu_server.config import Engine, Settings, get_settings
from gpu_server.errors import GPUServiceError
from gpu_server.head_limit import bound_heads
from gpu_server.heavy import take_short_turns
from gpu_server.metrics.requests import RequestMeter
from gpu_server.metrics.service import ServiceMetrics
from gpu_server.problem_docs import document_problems, short_id
from gpu_server.problems import add_error_handlers
from gpu_server.request_id import RequestId
from gpu_server.routers import generate, health, jobs, metrics, probes, workflows
from gpu_server.services.catalogue import CatalogueService
from gpu_server.services.checks import (
    CARELESS,
    comfyui_answers,
    has_died,
    has_workflows,
    still_listens,
)
from gpu_server.services.generation import GenerationService
from gpu_server.services.health import HealthService
from gpu_server.services.jobs import JobService
from gpu_server.services.readiness import Liveness, Readiness
from gpu_server.services.scrape import Scrape
from gpu_server.shutdown import on_stop_signal
from gpu_server.signature import SignatureCheck
from gpu_server.start_failure import StartFailure, settings_or_exit
from gpu_server.state import ServiceState
from gpu_server.tls import TLS, running_server
from gpu_server.utils.logging import (
    has_uvicorn_begun,
    setup_logging,
    start_logging,
    start_process_logging,
)
from gpu_server.workflows.folder import WorkflowFolder

log = logging.getLogger("gpu_server")

TITLE = "GPU Service"
DESCRIPTION = """The service beside ComfyUI, which runs workflows for the backend.

Errors are problem documents (RFC 9457) with a stable `code`.
"""
TAGS = [
    {"name": "health", "description": "Whether it runs."},
    {"name": "probes", "description": "The same for machines."},
    {"name": "generate", "description": "A workflow run while the caller waits."},
    {"name": "jobs", "description": "Workflows run under the callers' ids."},
    {"name": "workflows", "description": "What can be run here."},
    {"name": "metrics", "description": "What is counted, for Prometheus."},
]
COMFYUI_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
PREPARED = 1
"""Jobs beyond those that run, so that the GPU never waits for us."""


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings; nothing is opened before it starts."""
    counted = ServiceMetrics(__version__, settings.generation_engine.value)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        start_logging(settings)
        take_short_turns()
        async with _running(settings, counted) as state:
            app.state.service = state
            yield
        log.info("%s stopped", TITLE)

    app = FastAPI(
        title=TITLE,
        version=__version__,
        lifespan=lifespan,
        generate_unique_id_function=short_id,
    )
    app.add_middleware(SignatureCheck, secret=settings.gpu_service_secret)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_mb * 1024 * 1024)
    app.add_middleware(RequestMeter, metrics=counted.requests)
    app.add_middleware(RequestId)
    app.add_middleware(StartFailure, name="The GPU service", expected=GPUServiceError)
    add_error_handlers(app)
    for module in (health, probes, generate, jobs, workflows, metrics):
        app.include_router(module.router)
    document_problems(app, DESCRIPTION, TAGS)
    return app


@cache
def _usual_authorities() -> ssl.SSLContext:
    """Whose certificates are believed; read once in a process, as it takes some 40 ms."""
    return httpx.create_ssl_context(trust_env=False)


@asynccontextmanager
async def _running(settings: Settings, counted: ServiceMetrics) -> AsyncIterator[ServiceState]:
    """Everything that a running service holds, opened in order and closed in reverse."""
    async with AsyncExitStack() as stack:
        server = running_server()
        bound_heads(server)
        tls = TLS(server, settings.tls_cert_file, settings.tls_key_file)
        await stack.enter_async_context(tls)
        # trust_env: a proxy for the world outside is none for ComfyUI beside us.
        http = httpx.AsyncClient(
            timeout=COMFYUI_TIMEOUT, trust_env=False, verify=_usual_authorities()
        )
        api = ComfyUIAPI(await stack.enter_async_context(http), settings.comfyui_api_url)
        definitions = NodeDefinitions(api, settings.object_info_path)
        folder = WorkflowFolder(settings.workflows_path)
        connected = asyncio.Event()
        client = await _engine(stack, settings, api, definitions, folder, connected)
        # The stub needs no GPU, and nothing that it runs takes time.
        slots = settings.max_concurrent_tasks + PREPARED
        job_service = JobService(client, slots, counted.jobs)
        stack.push_async_callback(job_service.close)
        readiness = _readiness(settings, client)

        def drain() -> None:
            readiness.drain()
            job_service.stop()

        stack.enter_context(on_stop_signal(drain))
        await _log_start(settings, client)
        signs = {"socket": has_died(client)}
        if client.engine is Engine.COMFYUI:
            care = caretaker(
                settings, api, job_service, folder, definitions, connected, counted.restarts.inc
            )
            signs["care"] = has_died(await stack.enter_async_context(care), CARELESS)
        yield ServiceState(
            health=HealthService(client, settings.workflows_path),
            readiness=readiness,
            liveness=Liveness(signs),
            scrape=Scrape(
                counted.registry,
                counted.comfyui,
                readiness,
                api.system_stats,
                lambda: client.listening,
            ),
            jobs=job_service,
            generation=GenerationService(job_service),
            catalogue=CatalogueService(client.engine, folder, definitions),
        )


def _readiness(settings: Settings, client: ComfyClient) -> Readiness:
    """The stub needs no ComfyUI, and no workflow."""
    comfyui = comfyui_answers(client)
    if client.engine is Engine.STUB:
        return Readiness({}, {"comfyui": comfyui})
    return Readiness(
        {
            "workflows": has_workflows(settings.workflows_path),
            "comfyui": comfyui,
            "socket": still_listens(client),
        }
    )


async def _engine(
    stack: AsyncExitStack,
    settings: Settings,
    api: ComfyUIAPI,
    definitions: NodeDefinitions,
    folder: WorkflowFolder,
    connected: asyncio.Event,
) -> ComfyClient:
    """The engine that the settings name, at work; `connected` is set with each new connection."""
    if settings.generation_engine is Engine.STUB:
        return StubComfyClient(api, settings.workflows_path)
    await definitions.load()
    images = InputImages(api, settings.max_image_megapixels)

    async def on_connected() -> None:
        images.forget()
        await definitions.refresh()
        connected.set()

    socket = await stack.enter_async_context(ComfyUISocket(settings.comfyui_api_url, on_connected))
    return ComfyUIClient(api, socket, definitions, images, folder, settings.job_timeout)


async def _log_start(settings: Settings, client: ComfyClient) -> None:
    log.info("%s %s", TITLE, __version__)
    log.info("ComfyUI URL: %s", settings.comfyui_api_url)
    log.info("Workflows path: %s", settings.workflows_path)
    log.info("Models path: %s", settings.models_path)
    log.info("Engine: %s", client.engine.value)
    if client.engine is Engine.STUB and (vain := told_in_vain(settings)):
        log.warning("%s: of no use while the engine is stub", ", ".join(vain))
    available = await client.check_health()
    if not available:
        log.warning("ComfyUI does not answer at %s", settings.comfyui_api_url)
    elif client.engine is Engine.STUB:
        log.warning(
            "ComfyUI answers, and the engine is stub: images are placeholders. "
            "Set GENERATION_ENGINE=comfyui to use it"
        )


def _served() -> FastAPI:
    settings = settings_or_exit(get_settings, "The GPU service", setup_logging)
    if has_uvicorn_begun():  # Its first words come before the lifespan.
        start_process_logging(settings)
    return create_app(settings)


app = _served()
