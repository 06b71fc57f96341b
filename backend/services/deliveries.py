"""What webhooks were told, for those whose tasks it was about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from backend.access import Caller
from backend.cursor import number_of
from backend.errors import DeliveryNotFound
from backend.schemas.response_webhook import DeliveriesResponse, DeliveryResponse
from backend.store.webhook_outbox import Delivery, DeliveryFilter, DeliveryState, WebhookOutbox
from backend.tasks import TaskState


class DeliveryService:
    """Each caller sees their own."""

    def __init__(self, outbox: WebhookOutbox, on_due: Callable[[], None]) -> None:
        self._outbox = outbox
        self._on_due = on_due

    async def newest(
        self, wanted: DeliveryFilter, cursor: str | None, limit: int, caller: Caller
    ) -> DeliveriesResponse:
        """The newest first. Raises InvalidInput for a cursor that is none."""
        mine = wanted if caller.sees_all else replace(wanted, owner=caller.key_id)
        found = await self._outbox.deliveries(mine, number_of(cursor), limit + 1)
        shown = [_shown(each) for each in found[:limit]]
        more = len(found) > limit
        return DeliveriesResponse(
            deliveries=shown, next_cursor=str(found[limit - 1].seq) if more else None
        )

    async def redeliver(self, delivery_id: str, caller: Caller) -> DeliveryResponse:
        """Send it once more, now, with the same id. Raises DeliveryNotFound."""
        kept = await self._outbox.delivery(delivery_id)
        if kept is None or not (caller.sees_all or kept.owner == caller.key_id):
            raise DeliveryNotFound(f"There is no delivery {delivery_id[:100]!r}.")
        await self._outbox.redeliver(kept.id)
        self._on_due()
        return _shown(await self._outbox.delivery(kept.id) or kept)


def _shown(delivery: Delivery) -> DeliveryResponse:
    waits = delivery.state is DeliveryState.PENDING and delivery.due_at > 0
    return DeliveryResponse(
        id=delivery.id,
        task_id=delivery.task_id,
        event=TaskState(delivery.event),
        url=delivery.url,
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        error=delivery.error,
        created_at=_moment(delivery.created_at),
        next_attempt_at=_moment(delivery.due_at) if waits else None,
        delivered_at=None if delivery.delivered_at is None else _moment(delivery.delivered_at),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
