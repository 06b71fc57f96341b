"""The backend's application: `cd backend && uvicorn main:app --host 0.0.0.0 --port 8000`."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

# Started from inside this folder, as the specification has it, the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from backend.body_limit import BodyLimit
from backend.clients.gpu_client import GPUClient
from backend.config import Settings, get_settings
from backend.problems import add_error_handlers
from backend.routers import generate, health, modes, tasks, uploads
from backend.services.attempt import AttemptRunner
from backend.services.catalogue import ModeCatalogue
from backend.services.generation_router import GenerationRouter
from backend.services.health import HealthService
from backend.services.images import ImageCheck
from backend.services.progress import ProgressBoard
from backend.services.styles import read_styles
from backend.services.task_ends import TaskEnds
from backend.services.tasks import TaskService
from backend.services.uploads import UploadService
from backend.services.worker import TaskWorker
from backend.shutdown import on_stop_signal
from backend.state import BackendState
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from backend.utils.logging import setup_logging

log = logging.getLogger("backend")

EXPOSED_HEADERS = ["Location", "Preference-Applied", "Retry-After"]


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings; nothing is opened before it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        setup_logging(settings.log_level.value, settings.log_format.value)
        _log_start(settings)
        async with _running(settings) as state:
            app.state.backend = state
            yield
        log.info("%s stopped", settings.api_title)

    app = FastAPI(title=settings.api_title, version=settings.api_version, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_mb * 1024 * 1024)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
    )
    add_error_handlers(app)
    for module in (health, generate, tasks, modes, uploads):
        app.include_router(module.router)
    return app


@asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[BackendState]:
    """Everything that a running backend holds, opened in order and closed in reverse."""
    async with AsyncExitStack() as stack:
        styles = read_styles(settings.styles_path)
        store = SQLiteTaskStore(settings.data_path)
        await store.open()
        stack.push_async_callback(store.close)
        outputs, ends = OutputStore(settings.data_path / "outputs"), TaskEnds()
        # trust_env: a proxy for the world outside is none for the GPU service.
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        client = GPUClient(http, settings.gpu_service_url, settings.request_timeout)
        catalogue = ModeCatalogue(client, settings.mode_workflows)
        board = ProgressBoard()
        runner = AttemptRunner(client, outputs, board, settings.request_timeout, catalogue.timeout)
        worker = await stack.enter_async_context(
            TaskWorker(
                store,
                runner,
                client,
                catalogue,
                ends,
                slots=settings.worker_concurrency,
                max_attempts=settings.max_attempts,
            )
        )
        stack.enter_context(on_stop_signal(ends.close))
        image_check = ImageCheck(settings.max_image_size_mb, settings.max_image_megapixels)
        upload_service = UploadService(outputs, image_check)
        yield BackendState(
            health=HealthService(client, worker, settings.api_version),
            generation=GenerationRouter(
                store,
                catalogue,
                styles,
                image_check,
                upload_service,
                settings.max_face_images,
                on_queued=worker.wake,
            ),
            tasks=TaskService(store, outputs, ends, board, runner),
            catalogue=catalogue,
            uploads=upload_service,
        )


def _log_start(settings: Settings) -> None:
    log.info("%s %s", settings.api_title, settings.api_version)
    log.info("GPU service URL: %s", settings.gpu_service_url)
    log.info("Operational mode: MVP with stub endpoints, unless the GPU service has an engine")
    log.info("Data path: %s", settings.data_path)
    log.info(
        "Limits: request timeout %d s, body %d MB, image %d MB, %d face images",
        settings.request_timeout,
        settings.max_body_mb,
        settings.max_image_size_mb,
        settings.max_face_images,
    )


app = create_app(get_settings())
