"""The GPU service's application: `cd gpu_server && uvicorn main:app`, or `python server.py`."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

# Started from inside this folder, as the specification has it, the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from fastapi import FastAPI

from gpu_server import __version__
from gpu_server.body_limit import BodyLimit
from gpu_server.comfy_client import ComfyClient, create_comfy_client
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.config import Engine, Settings, get_settings
from gpu_server.problems import add_error_handlers
from gpu_server.routers import generate, health, workflows
from gpu_server.services.catalogue import CatalogueService
from gpu_server.services.generation import GenerationService
from gpu_server.services.health import HealthService
from gpu_server.shutdown import on_stop_signal
from gpu_server.state import ServiceState
from gpu_server.utils.logging import setup_logging

log = logging.getLogger("gpu_server")

TITLE = "GPU Service"
COMFYUI_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings; nothing is opened before it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        setup_logging(settings.log_level.value, settings.log_format.value)
        # trust_env: a proxy for the world outside is none for ComfyUI beside us.
        async with httpx.AsyncClient(timeout=COMFYUI_TIMEOUT, trust_env=False) as http:
            client = create_comfy_client(settings, ComfyUIAPI(http, settings.comfyui_api_url))
            app.state.service = ServiceState(
                health=HealthService(client, settings.workflows_path),
                generation=GenerationService(client, settings.max_concurrent_tasks),
                catalogue=CatalogueService(client.engine, settings.workflows_path),
            )
            await _log_start(settings, client)
            with on_stop_signal(app.state.service.generation.stop):
                yield
        log.info("%s stopped", TITLE)

    app = FastAPI(title=TITLE, version=__version__, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_mb * 1024 * 1024)
    add_error_handlers(app)
    for module in (health, generate, workflows):
        app.include_router(module.router)
    return app


async def _log_start(settings: Settings, client: ComfyClient) -> None:
    log.info("%s %s", TITLE, __version__)
    log.info("ComfyUI URL: %s", settings.comfyui_api_url)
    log.info("Workflows path: %s", settings.workflows_path)
    log.info("Models path: %s", settings.models_path)
    log.info("Engine: %s", client.engine.value)
    available = await client.check_health()
    if not available:
        log.warning("ComfyUI does not answer at %s", settings.comfyui_api_url)
    elif client.engine is Engine.STUB:
        log.warning(
            "ComfyUI answers, and the engine is stub: images are placeholders. "
            "Set GENERATION_ENGINE=comfyui to use it"
        )


app = create_app(get_settings())
