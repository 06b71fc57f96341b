"""Telling webhooks what has happened to tasks, until they have heard it."""

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from types import TracebackType

import anyio

from backend.background import BackgroundLoop
from backend.clients.webhook_client import Heard, WebhookClient
from backend.correlation import about
from backend.errors import StorageFull, StorageUnavailable
from backend.metrics.work import UNCOUNTED, WorkMetrics
from backend.services.task_display import TaskDisplay
from backend.store.task_store import TaskStore
from backend.store.webhook_outbox import Delivery, DeliveryState, Result, WebhookOutbox

log = logging.getLogger(__name__)

BACKOFF = (5.0, 30.0, 120.0, 600.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
"""Seconds before each further try, give or take a fifth; then nobody tries any more."""
LONGEST_WAIT = 12 * 3600.0
"""That a receiver may ask for with Retry-After."""
LEASE_SECONDS = 30.0
AT_ONCE, AT_ONCE_A_HOST = 16, 3
IDLE_SECONDS = 1.0
GOODBYE_SECONDS = 2.0
GONE = 410
STORAGE_ERRORS = (StorageFull, StorageUnavailable)


class WebhookDeliverer(BackgroundLoop):
    """While it is entered, sends what is due."""

    name = "webhooks"

    def __init__(
        self,
        outbox: WebhookOutbox,
        store: TaskStore,
        display: TaskDisplay,
        client: WebhookClient,
        *,
        backoff: tuple[float, ...] = BACKOFF,
        jitter: Callable[[float, float], float] = random.uniform,
        metrics: WorkMetrics = UNCOUNTED,
    ) -> None:
        super().__init__()
        self._outbox = outbox
        self._store = store
        self._display = display
        self._client = client
        self._backoff = backoff
        self._jitter = jitter
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._hosts: Counter[str] = Counter()
        self._sending: set[asyncio.Task[None]] = set()
        self._trouble = ""

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if self._sending:
            # What is cut off here is taken again when its lease is over.
            _, late = await asyncio.wait(self._sending, timeout=GOODBYE_SECONDS)
            for sending in late:
                sending.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _once(self) -> None:
        self._woken.clear()
        try:
            await self._take()
            self._trouble = ""
        except STORAGE_ERRORS as exc:
            if exc.message != self._trouble:
                log.error("Webhooks have to wait: %s", exc.message)
            self._trouble = exc.message

    async def _pause(self) -> None:
        with anyio.move_on_after(IDLE_SECONDS):
            await self._woken.wait()

    async def _take(self) -> None:
        busy = [host for host, count in self._hosts.items() if count >= AT_ONCE_A_HOST]
        free = AT_ONCE - len(self._sending)
        if free <= 0:
            return
        # Few at a time: one slow host is not to take all places.
        limit = min(free, AT_ONCE_A_HOST)
        due = await self._outbox.take(time.time(), LEASE_SECONDS, limit, busy)
        for delivery in due:
            self._hosts[delivery.host] += 1
            sending = asyncio.create_task(self._send(delivery), name=f"webhook {delivery.id}")
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        if due:
            self.wake()

    async def _send(self, delivery: Delivery) -> None:
        with about(delivery.task_id):
            await self._try(delivery)

    async def _try(self, delivery: Delivery) -> None:
        try:
            payload = delivery.payload or await self._payload(delivery)
            heard = await self._client.send(delivery.id, delivery.url, payload)
            result = self._result(delivery, heard)
            await self._outbox.settle(delivery, result)
            self._note(delivery, result)
        except STORAGE_ERRORS as exc:
            log.error("Webhook %s of task %s: %s", delivery.id, delivery.task_id, exc.message)
        except Exception:
            log.exception("Webhook %s: this is a bug", delivery.id)
        finally:
            self._hosts[delivery.host] -= 1
            if not self._hosts[delivery.host]:
                del self._hosts[delivery.host]
            self.wake()

    async def _payload(self, delivery: Delivery) -> str:
        """The task as it is when it is first told; kept, so that each try sends the same."""
        task = await self._store.get(delivery.task_id)
        shown = None if task is None else await self._display.show(task, with_image=False)
        at = datetime.fromtimestamp(delivery.created_at, timezone.utc)
        payload = json.dumps(
            {
                "type": f"task.{delivery.event}",
                "timestamp": at.isoformat().replace("+00:00", "Z"),
                "data": {"task_id": delivery.task_id}
                if shown is None
                else shown.model_dump(mode="json", exclude={"image"}),
            }
        )
        await self._outbox.freeze(delivery, payload)
        return payload

    def _result(self, delivery: Delivery, heard: Heard) -> Result:
        now = time.time()
        if heard.error is None:
            return Result(DeliveryState.DELIVERED, status=heard.status, delivered_at=now)
        if heard.status == GONE or delivery.attempts > len(self._backoff):
            return Result(
                DeliveryState.FAILED,
                status=heard.status,
                error=heard.error,
                gone=heard.status == GONE,
            )
        seconds = self._backoff[delivery.attempts - 1]
        wait = max(seconds * self._jitter(0.8, 1.2), min(heard.retry_after, LONGEST_WAIT))
        return Result(
            DeliveryState.PENDING, due_at=now + wait, status=heard.status, error=heard.error
        )

    def _note(self, delivery: Delivery, result: Result) -> None:
        told = "Webhook %s of task %s, %r, try %d: %s%s"
        level = logging.INFO if result.error is None else logging.WARNING
        because = f": {result.error}" if result.error else ""
        state = "waits" if result.state is DeliveryState.PENDING else result.state.value
        self._metrics.webhook_tried(state)
        log.log(
            level,
            told,
            delivery.id,
            delivery.task_id,
            delivery.event,
            delivery.attempts,
            state,
            because,
        )
