"""The backend's application: `cd backend && uvicorn main:app --host 0.0.0.0 --port 8000`."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

# Started from inside this folder, as the specification has it, the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from backend.accepting import Acceptor
from backend.assembly import Engine, MakeStores, running_engine
from backend.body_limit import BodyLimit
from backend.clients.outward import Outward
from backend.config import Settings, get_settings
from backend.connections import ConnectionKeeper, running_server
from backend.errors import BackendError
from backend.garbage import Garbage
from backend.head_limit import bound_heads
from backend.heavy import take_short_turns
from backend.metrics.backend import BackendMetrics
from backend.metrics.requests import RequestMeter
from backend.probing import liveness_of, readiness_of
from backend.problem_docs import document_problems, short_id
from backend.problems import add_error_handlers
from backend.rate_limit_headers import RateLimitHeaders
from backend.request_id import RequestId
from backend.routers import (
    generate,
    health,
    keys,
    modes,
    openai,
    probes,
    queue,
    styles,
    task_socket,
    tasks,
    uploads,
    web,
)
from backend.routers import metrics as metrics_routes
from backend.routers import webhooks as webhook_routes
from backend.services.readiness import Readiness
from backend.services.retention import Retention
from backend.services.room import Room
from backend.services.styles import read_styles
from backend.shutdown import Drain, on_stop_signal
from backend.start_failure import StartFailure, settings_or_exit
from backend.state import BackendState, display_of, state_of, webhooks_of
from backend.store.opening import stores_of
from backend.stream_gate import StreamGate
from backend.tls import TLS
from backend.utils.logging import (
    has_uvicorn_begun,
    setup_logging,
    start_logging,
    start_process_logging,
)

log = logging.getLogger("backend")

DESCRIPTION = """An HTTP API in front of ComfyUI.

A request becomes a task, which is kept before it is answered, and ends once, whatever happens.
Errors are problem documents (RFC 9457) with a stable `code`; under `/v1`, OpenAI's envelope.
"""
TAGS = [
    {"name": "health", "description": "Whether it runs."},
    {"name": "probes", "description": "The same for machines."},
    {"name": "generate", "description": "Asking for something."},
    {"name": "tasks", "description": "What was asked for: followed, fetched, cancelled, retried."},
    {"name": "modes", "description": "What can be asked for."},
    {"name": "uploads", "description": "Images sent ahead."},
    {"name": "openai", "description": "OpenAI's Images API over the same tasks."},
    {"name": "webhooks", "description": "What webhooks were told."},
    {"name": "queue", "description": "What waits and runs."},
    {"name": "access", "description": "How whoever asks stands."},
    {"name": "keys", "description": "Who may ask."},
    {"name": "metrics", "description": "What is counted, for Prometheus."},
]
MEGABYTE = 1024 * 1024
ROUTERS = (
    health,
    probes,
    generate,
    tasks,
    task_socket,
    modes,
    uploads,
    openai,
    webhook_routes,
    styles,
    queue,
    keys,
    web,
    metrics_routes,
)
EXPOSED_HEADERS = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]


def create_app(settings: Settings, make_stores: MakeStores = stores_of) -> FastAPI:
    """The application for these settings; nothing is opened before it starts."""
    metrics = BackendMetrics(settings.api_version, settings.max_queued_tasks)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        start_logging(settings)
        _log_start(settings)
        take_short_turns()
        async with _running(settings, make_stores, metrics) as state:
            app.state.backend = state
            yield
        log.info("%s stopped", settings.api_title)

    app = FastAPI(
        title=settings.api_title,
        version=settings.api_version,
        lifespan=lifespan,
        generate_unique_id_function=short_id,
    )
    add_error_handlers(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_mb * MEGABYTE,
        max_held=max(settings.max_bodies_mb, settings.max_body_mb) * MEGABYTE,
    )
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
    )
    app.add_middleware(StreamGate)
    app.add_middleware(RequestMeter, metrics=metrics.requests)
    app.add_middleware(RequestId)
    app.add_middleware(StartFailure, name="The backend", expected=BackendError)
    for module in ROUTERS:
        app.include_router(module.router)
    app.mount("/web", web.FILES, name="web")
    document_problems(app, DESCRIPTION, TAGS)
    return app


@asynccontextmanager
async def _running(
    settings: Settings, make_stores: MakeStores, metrics: BackendMetrics
) -> AsyncIterator[BackendState]:
    """Everything that a running backend holds."""
    async with AsyncExitStack() as stack:
        server = running_server()
        bound_heads(server)
        keeper = ConnectionKeeper(server, max_connections=settings.max_connections)
        await stack.enter_async_context(keeper)
        tls = TLS(server, settings.tls_cert_file, settings.tls_key_file)
        await stack.enter_async_context(tls)
        acceptor = await stack.enter_async_context(Acceptor(server))
        styles = read_styles(settings.styles_path)
        # With a database, each GPU service has a worker process of its own beside it.
        engine = await stack.enter_async_context(
            running_engine(
                settings,
                runs=lambda _: not settings.database_url,
                make_stores=make_stores,
                metrics=metrics.work,
            )
        )
        await stack.enter_async_context(
            Retention(
                engine.store,
                engine.outputs,
                days=settings.retention_days,
                gigabytes=settings.retention_gb,
            )
        )
        room = Room(settings.data_path, settings.min_free_mb)
        outward = Outward(settings.outbound_allow)
        stack.push_async_callback(outward.close)
        display = display_of(engine)
        webhooks = webhooks_of(settings, engine, display, outward, metrics)
        if webhooks is not None:
            engine.live.on_changed = webhooks.wake
            await stack.enter_async_context(webhooks)
        readiness, liveness = readiness_of(engine, room, webhooks), liveness_of(engine, webhooks)
        stop = _drain(engine, readiness, acceptor, settings.drain_seconds)
        stack.enter_context(on_stop_signal(stop))
        await stack.enter_async_context(Garbage(server))
        yield state_of(
            settings,
            engine,
            display,
            styles,
            room,
            readiness,
            liveness,
            outward,
            webhooks,
            metrics,
        )


def _drain(engine: Engine, readiness: Readiness, acceptor: Acceptor, seconds: float) -> Drain:
    """Tasks that run have so long to end; whoever waits for the others is told to come back."""

    async def drain() -> None:
        log.info("Stopping: no more tasks are taken, those that run have %g s to end", seconds)
        readiness.drain()
        try:
            await engine.drain(seconds)
        finally:
            engine.live.close()
            acceptor.close()

    return drain


def _log_start(settings: Settings) -> None:
    log.info("%s %s", settings.api_title, settings.api_version)
    log.info("GPU service URL: %s", settings.gpu_service_url)
    log.info("Operational mode: MVP with stub endpoints, unless the GPU service has an engine")
    log.info("Data path: %s", settings.data_path)
    log.info("Tasks are kept %s", "in PostgreSQL" if settings.database_url else "there")
    log.info("Outputs are kept in %s", settings.outputs_url or settings.data_path / "outputs")
    if settings.database_url:
        log.info("Tasks are run by workers: python -m backend.worker, one for each GPU service")
    log.info(
        "Limits: request timeout %d s, body %d MB, image %d MB, %d face images",
        settings.request_timeout,
        settings.max_body_mb,
        settings.max_image_size_mb,
        settings.max_face_images,
    )


def _served() -> FastAPI:
    settings = settings_or_exit(get_settings, "The backend", setup_logging)
    if has_uvicorn_begun():  # Its first words come before the lifespan.
        start_process_logging(settings)
    return create_app(settings)


app = _served()
