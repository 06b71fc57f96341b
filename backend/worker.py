"""The worker of one GPU service: `python -m backend.worker`, where there is a DATABASE_URL."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# `python worker.py` in this folder: the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prometheus_client import start_http_server

from backend.assembly import running_engine
from backend.config import Settings, get_settings
from backend.errors import BackendError, StorageUnavailable
from backend.metrics.registry import new_registry
from backend.metrics.work import UNCOUNTED, WorkMetrics
from backend.start_failure import settings_or_exit
from backend.utils.logging import setup_logging, start_process_logging

log = logging.getLogger("backend.worker")

CANNOT_START = 3
WRONG_SETTING = 2


async def run(settings: Settings, url: str, metrics: WorkMetrics = UNCOUNTED) -> None:
    """Run tasks on the GPU service of this URL until a signal comes; a second one cuts it short."""
    stop, cut = asyncio.Event(), asyncio.Event()

    def hear() -> None:
        (cut if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, hear)
    try:
        async with running_engine(
            settings, runs=lambda service: service.url == url, metrics=metrics
        ) as engine:
            log.info("Worker of %s started, %d slots", url, settings.worker_concurrency)
            await stop.wait()
            log.info("Worker of %s stops: no more tasks are taken", url)
            drain = asyncio.create_task(engine.drain(settings.drain_seconds))
            impatience = asyncio.create_task(cut.wait())
            await asyncio.wait({drain, impatience}, return_when=asyncio.FIRST_COMPLETED)
            drain.cancel()
            impatience.cancel()
    except StorageUnavailable:
        if not stop.is_set():  # Else it was told to stop while it waited for its database.
            raise
    log.info("Worker of %s stopped", url)


def main(arguments: list[str]) -> int:
    """The exit code: 0 stopped as told, 2 a wrong setting, 3 it cannot start."""
    settings = settings_or_exit(get_settings, "The worker", setup_logging)
    start_process_logging(settings)
    url, wrong = _chosen(settings, arguments)
    if wrong:
        log.critical("The worker cannot start: %s", wrong)
        return WRONG_SETTING
    with ExitStack() as stack:
        try:
            metrics = stack.enter_context(counted(settings))
        except OSError as exc:
            log.critical("The worker cannot start: WORKER_METRICS_PORT: %s", exc)
            return CANNOT_START
        try:
            asyncio.run(run(settings, url, metrics))
        except BackendError as exc:
            log.critical("The worker cannot start: %s", exc.message)
            return CANNOT_START
    return 0


@contextmanager
def counted(settings: Settings) -> Iterator[WorkMetrics]:
    """What it counts, told to whoever asks on WORKER_METRICS_PORT."""
    registry = new_registry("worker", settings.api_version)
    metrics = WorkMetrics(registry)
    if not settings.worker_metrics_port:
        yield metrics
        return
    server, thread = start_http_server(
        settings.worker_metrics_port, settings.backend_host, registry
    )
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _chosen(settings: Settings, arguments: list[str]) -> tuple[str, str]:
    """The GPU service to work for, or what is wrong with the settings."""
    parser = argparse.ArgumentParser(prog="python -m backend.worker", description=__doc__)
    parser.add_argument("--gpu-service", metavar="URL", help="which one of GPU_SERVICE_URL")
    urls = [url.rstrip("/") for url in settings.gpu_service_urls]
    chosen = parser.parse_args(arguments).gpu_service
    if not settings.database_url:
        return "", "there is no DATABASE_URL. Without one the backend runs the tasks itself."
    if chosen is None and len(urls) > 1:
        return "", f"say which GPU service it works for: --gpu-service {urls[0]}"
    url = (chosen or urls[0]).rstrip("/")
    if url not in urls:
        return "", f"{url} is not in GPU_SERVICE_URL ({', '.join(urls)}). Add it there."
    return url, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
