"""What a process is put together from, opened in order and closed in reverse."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import anyio
import httpx

from backend.clients.gpu_client import GPUClient
from backend.clients.signature import RequestSignature
from backend.clients.trust import trust_in
from backend.config import Settings
from backend.errors import StorageUnavailable
from backend.metrics.work import UNCOUNTED, WorkMetrics
from backend.services.attempt import AttemptRunner
from backend.services.catalogue import ModeCatalogue
from backend.services.exchange import LiveExchange
from backend.services.gpu_services import GPUService, GPUServices
from backend.services.live import LiveHub
from backend.services.pace import Pace
from backend.services.upkeep import RECOVER_SECONDS, Upkeep
from backend.services.worker import TaskWorker
from backend.shutdown import on_stop_signal
from backend.store.key_store import KeyStore
from backend.store.opening import Stores, stores_of
from backend.store.outputs.output_store import OutputStore
from backend.store.task_store import SharedTaskStore, TaskStore
from backend.store.webhook_outbox import WebhookOutbox

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""Between tries to open a database."""
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100)
"""Each job that runs has a connection of its own: how many there are, the slots say."""


class MakeStores(Protocol):
    """What `stores_of` is."""

    def __call__(self, settings: Settings, *, worker: bool) -> Stores:
        """The stores, not open yet."""


@dataclass(frozen=True)
class Engine:
    """What keeps tasks and runs them."""

    store: TaskStore
    outputs: OutputStore
    keys: KeyStore
    outbox: WebhookOutbox
    services: GPUServices
    catalogue: ModeCatalogue
    live: LiveHub
    workers: Sequence[TaskWorker]
    upkeep: Upkeep
    shared: SharedTaskStore | None = None
    """The store, where other processes use it too."""

    @property
    def alive(self) -> bool:
        """Whether nothing of it has died."""
        return self.upkeep.alive and all(worker.alive for worker in self.workers)

    def wake(self) -> None:
        """A task has been queued."""
        for worker in self.workers:
            worker.wake()

    async def drain(self, seconds: float) -> None:
        """Take no more tasks, and wait for those that run, at most so long."""
        await asyncio.gather(*(worker.drain(seconds) for worker in self.workers))


@asynccontextmanager
async def running_engine(
    settings: Settings,
    *,
    runs: Callable[[GPUService], bool],
    make_stores: MakeStores = stores_of,
    metrics: WorkMetrics = UNCOUNTED,
) -> AsyncIterator[Engine]:
    """The engine of this process; it works for those GPU services that it `runs`."""
    async with AsyncExitStack() as stack:
        # trust_env: a proxy for the world outside is none for the GPU service.
        secret = settings.gpu_service_secret
        signature = RequestSignature(secret) if secret else None
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                trust_env=False,
                limits=LIMITS,
                auth=signature,
                verify=trust_in(settings.gpu_service_ca_file),
            )
        )
        services = GPUServices(
            [
                GPUService(GPUClient(http, url, settings.request_timeout))
                for url in settings.gpu_service_urls
            ]
        )
        catalogue = ModeCatalogue(services, settings.mode_workflows)
        _watch(metrics, services, catalogue)
        own = [service for service in services if runs(service)]
        stores = make_stores(settings, worker=bool(own))
        await _open(stores)
        stack.push_async_callback(stores.tasks.close)
        stack.push_async_callback(stores.keys.close)
        live = LiveHub()
        if stores.shared is not None:
            exchange = LiveExchange(stores.shared, live, sends=bool(own))
            await stack.enter_async_context(exchange)
        upkeep = Upkeep(
            stores.tasks,
            services,
            live,
            max_attempts=settings.max_attempts,
            hold_seconds=settings.hold_seconds,
            recover_seconds=min(RECOVER_SECONDS, settings.stalled_after / 4),
            metrics=metrics,
        )
        await stack.enter_async_context(upkeep)
        await stack.enter_async_context(services.kept_fresh())
        engine = Engine(
            store=stores.tasks,
            outputs=stores.outputs,
            keys=stores.keys,
            outbox=stores.outbox,
            services=services,
            catalogue=catalogue,
            live=live,
            upkeep=upkeep,
            shared=stores.shared,
            workers=[
                _worker(settings, stores, services, service, catalogue, live, metrics)
                for service in own
            ],
        )
        if stores.shared is not None:
            stores.shared.on_queued = engine.wake
        for worker in engine.workers:
            await stack.enter_async_context(worker)
        yield engine


def _watch(metrics: WorkMetrics, services: GPUServices, catalogue: ModeCatalogue) -> None:
    metrics.knows_mode = catalogue.knows
    for service in services:
        metrics.watch_service(service.url, partial(getattr, service, "answers"))


async def _open(stores: Stores) -> None:
    """Open the tasks' store; one that others use too is waited for, until a stop signal comes.

    It may be started after us, and nobody may be there to start us again.
    """
    trouble, stop = "", asyncio.Event()
    with on_stop_signal(stop.set):
        while True:
            try:
                return await stores.tasks.open()
            except StorageUnavailable as exc:
                if stores.shared is None or stop.is_set():
                    raise
                if exc.message != trouble:
                    log.error("Waiting for the task database: %s", exc.message)
                trouble = exc.message
            with anyio.move_on_after(RETRY_SECONDS):
                await stop.wait()


def _worker(
    settings: Settings,
    stores: Stores,
    services: GPUServices,
    service: GPUService,
    catalogue: ModeCatalogue,
    live: LiveHub,
    metrics: WorkMetrics,
) -> TaskWorker:
    runner = AttemptRunner(
        service.client, stores.outputs, live, settings.request_timeout, catalogue.timeout
    )
    return TaskWorker(
        stores.tasks,
        services,
        service,
        runner,
        live,
        slots=settings.worker_concurrency,
        max_attempts=settings.max_attempts,
        pace=Pace(hold=settings.hold_seconds),
        metrics=metrics,
    )
