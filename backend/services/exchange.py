"""Live news between processes: workers send what happens, backends hear it."""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from backend.errors import StorageFull, StorageUnavailable
from backend.services.live import LiveHub, LiveProgress, Preview
from backend.store.task_store import SharedTaskStore
from backend.tasks import TaskState

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.1
"""Between sendings: of what comes meanwhile, the newest of each task goes."""

Send = Callable[[], Awaitable[None]]


class LiveExchange:
    """While it is entered, this process's hub and those of the others tell the same.

    Changes of state the store tells by itself. Progress and previews may be missed.
    """

    def __init__(self, store: SharedTaskStore, live: LiveHub, *, sends: bool) -> None:
        self._store = store
        self._live = live
        self._sends = sends
        self._pending: dict[tuple[str, str], Send] = {}
        self._something = asyncio.Event()
        self._fetching: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "LiveExchange":
        if self._sends:
            self._live.relay = self
            self._start(self._send_on(), "live sender")
        else:
            self._store.listen(self._heard, self._live.wake_all)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def progressed(self, task_id: str, progress: LiveProgress) -> None:
        """Send it on."""
        payload = {"progress": progress.value, "node": progress.node}
        self._put(task_id, "progress", lambda: self._store.notify_live(task_id, payload))

    def previewed(self, task_id: str, preview: Preview) -> None:
        """Send it on."""

        async def put() -> None:
            image = base64.b64decode(preview.image)
            await self._store.put_preview(task_id, preview.content_type, image)

        self._put(task_id, "preview", put)

    def _put(self, task_id: str, kind: str, send: Send) -> None:
        self._pending[task_id, kind] = send
        self._something.set()

    async def _send_on(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            sending, self._pending = self._pending, {}
            for send in sending.values():
                await self._quietly(send())
            await asyncio.sleep(PAUSE_SECONDS)

    def _heard(self, payload: dict[str, Any]) -> None:
        task_id = payload["task_id"]
        if "state" in payload:
            self._live.changed(task_id, ended=TaskState(payload["state"]).ended)
        elif "progress" in payload:
            progress = LiveProgress(payload["progress"], payload["node"])
            self._live.progressed(task_id, progress)
        elif self._live.is_watched(task_id) and task_id not in self._fetching:
            self._fetching.add(task_id)
            self._start(self._quietly(self._fetch(task_id)), f"preview of {task_id}")

    async def _fetch(self, task_id: str) -> None:
        try:
            seen = await self._store.preview(task_id)
        finally:
            self._fetching.discard(task_id)
        if seen is not None:
            image = base64.b64encode(seen.image).decode("ascii")
            self._live.previewed(task_id, Preview(seen.content_type, image))

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Awaitable[None]) -> None:
        """What is only live is not worth an error: the next comes soon."""
        try:
            await work
        except (StorageFull, StorageUnavailable) as exc:
            log.debug("Live news lost: %s", exc.message)
        except Exception:
            log.exception("Live news: this is a bug")
