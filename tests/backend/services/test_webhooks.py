"""Webhooks told over the wire: real receivers on the loopback."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Signer

from backend.clients.outward import Outward
from backend.clients.webhook_client import WebhookClient
from backend.services.estimates import Estimates
from backend.services.live import LiveHub
from backend.services.task_display import TaskDisplay
from backend.services.webhooks import BACKOFF, WebhookDeliverer
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.store.webhook_outbox import Delivery, DeliveryFilter, DeliveryState
from backend.tasks import Outcome, Output, TaskState, Webhook
from tests.backend.making import claimed, queued
from tests.conditions import eventually
from tests.receiver import Got, Receiver, receiving, status

SECRET = "whsec_" + "c2VjcmV0" * 6
AT_ONCE = (0.0,) * 8

Deliver = Callable[..., Any]


@pytest.fixture
def delivering(store: SQLiteTaskStore, outputs: LocalOutputStore, live: LiveHub) -> Deliver:
    @asynccontextmanager
    async def run(
        backoff: tuple[float, ...] = AT_ONCE, seconds: float = 5.0
    ) -> AsyncIterator[WebhookDeliverer]:
        outward = Outward("127.0.0.1")
        display = TaskDisplay(store, outputs, live, Estimates(store, lambda: 1))
        client = WebhookClient(outward.http, SECRET, seconds)
        try:
            async with WebhookDeliverer(
                store, store, display, client, backoff=backoff
            ) as deliverer:
                live.on_changed = deliverer.wake
                yield deliverer
        finally:
            await outward.close()

    return run


async def told(
    store: SQLiteTaskStore, receiver: Receiver | str, task_id: str = "t1", host: str = "h"
) -> None:
    """A task whose webhook is due."""
    url = receiver if isinstance(receiver, str) else receiver.url()
    await queued(store, task_id, webhook=Webhook(url, (TaskState.QUEUED,), host))


async def state(store: SQLiteTaskStore, task_id: str = "t1") -> Delivery:
    [delivery] = await store.deliveries(DeliveryFilter(task_id=task_id), None, 2)
    return delivery


async def settled(store: SQLiteTaskStore, wanted: DeliveryState, task_id: str = "t1") -> Delivery:
    async def look() -> bool:
        return (await state(store, task_id)).state is wanted

    await eventually(look)
    return await state(store, task_id)


def answering(*codes: int) -> Callable[[Got], bytes]:
    """One after the other, the last one for ever."""
    left = list(codes)
    return lambda _: status(left.pop(0) if len(left) > 1 else left[0])


async def test_message_is_signed_as_standard_webhooks_has_it(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving() as receiver, delivering():
        await queued(store, webhook=Webhook(receiver.url(), (TaskState.DONE,), "h"))
        outcome = Outcome(TaskState.DONE, outputs=(Output("0.png", "image/png", 7),))
        await store.finish(await claimed(store), outcome, 2500.0)
        await settled(store, DeliveryState.DELIVERED)
    [got] = receiver.got
    payload = Signer(SECRET).verify(got.body, got.headers)
    assert (payload["type"], payload["data"]["task_id"]) == ("task.done", "t1")
    assert payload["data"]["outputs"][0]["url"] == "/tasks/t1/outputs/0"
    assert "image" not in payload["data"]
    assert got.headers["webhook-id"] == (await state(store)).id


async def test_receiver_that_fails_gets_the_same_message_again(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving(answering(500, 503, 204)) as receiver, delivering():
        await told(store, receiver)
        assert (await settled(store, DeliveryState.DELIVERED)).attempts == 3
    assert len({(got.headers["webhook-id"], got.body) for got in receiver.got}) == 1
    assert len(receiver.got) == 3


async def test_receiver_that_never_answers_well_is_given_up_in_the_end(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving(answering(500)) as receiver, delivering(backoff=(0.0, 0.0)):
        await told(store, receiver)
        failed = await settled(store, DeliveryState.FAILED)
    assert (failed.attempts, failed.status) == (3, 500)
    assert failed.error == "The receiver answered 500."


async def test_receiver_that_is_gone_is_not_told_again(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving(answering(410)) as receiver, delivering():
        await told(store, receiver)
        assert (await settled(store, DeliveryState.FAILED)).status == 410
        await store.cancel("t1", time.time())
    assert len(receiver.got) == 1


async def test_receiver_that_hangs_is_waited_for_so_long(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving(lambda _: None) as receiver, delivering(backoff=(), seconds=0.2):
        await told(store, receiver)
        assert (await settled(store, DeliveryState.FAILED)).error == "No answer within 0.2 s."


async def test_receiver_that_works_before_it_answers_is_heard(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    """httpx alone gives up after 5 seconds: here, 10 are promised."""
    async with receiving(lambda _: status(204)) as receiver, delivering(seconds=10.0):
        receiver.delay = 5.5
        await told(store, receiver)
        assert (await settled(store, DeliveryState.DELIVERED)).attempts == 1
    assert len(receiver.got) == 1


@pytest.mark.parametrize("inside", ["http://169.254.169.254/", "http://localhost:1/"])
async def test_redirect_inward_is_not_followed(
    store: SQLiteTaskStore, delivering: Deliver, inside: str
) -> None:
    def answer(_: Got) -> bytes:
        return status(307, Location=inside)

    async with receiving(answer) as receiver, delivering(backoff=()):
        await told(store, receiver)
        failed = await settled(store, DeliveryState.FAILED)
    assert failed.error == "The receiver answered 307. Redirects are not followed."
    assert len(receiver.got) == 1


async def test_name_that_leads_inside_is_not_called(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving() as receiver, delivering(backoff=()):
        await told(store, receiver.url(host="127.0.0.2"))
        failed = await settled(store, DeliveryState.FAILED)
    assert failed.error == "The address is no public one (OUTBOUND_ALLOW)."


async def test_nobody_there_is_told(store: SQLiteTaskStore, delivering: Deliver) -> None:
    async with receiving() as receiver:
        pass
    async with delivering(backoff=()):
        await told(store, receiver)
        assert "cannot be reached" in str((await settled(store, DeliveryState.FAILED)).error)


@pytest.mark.parametrize(
    "asked", [lambda: "600", lambda: formatdate(time.time() + 600, usegmt=True)], ids=["s", "date"]
)
async def test_receiver_says_how_long_it_wants_to_be_left_alone(
    store: SQLiteTaskStore, delivering: Deliver, asked: Callable[[], str]
) -> None:
    async with receiving(lambda _: status(503, Retry_After=asked())) as receiver, delivering():
        await told(store, receiver)

        async def waits() -> bool:
            return (await state(store)).error is not None

        await eventually(waits)
    assert 580 < (await state(store)).due_at - time.time() <= 600


async def test_tries_are_spread_over_a_day() -> None:
    assert 20 * 3600 < sum(BACKOFF) < 30 * 3600


async def test_receiver_that_hangs_holds_up_no_other(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving(lambda _: None) as dead, receiving() as alive, delivering(seconds=30):
        for number in range(50):
            await told(store, dead, f"dead{number}", host="dead.test")
        await eventually(lambda: len(dead.got) == 3)
        await told(store, alive, "alive", host="alive.test")
        await settled(store, DeliveryState.DELIVERED, "alive")
        assert len(dead.got) == 3


async def test_what_was_under_way_when_a_process_died_is_sent_by_the_next(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving() as receiver:
        await told(store, receiver)
        [lost] = await store.take(time.time() - 31, 30.0, 1, [])
        async with delivering():
            await settled(store, DeliveryState.DELIVERED)
    assert receiver.got[0].headers["webhook-id"] == lost.id


async def test_payload_is_the_one_that_was_first_sent(
    store: SQLiteTaskStore, delivering: Deliver
) -> None:
    async with receiving() as receiver:
        await told(store, receiver)
        await store.freeze(await state(store), json.dumps({"as": "it was"}))
        async with delivering():
            await settled(store, DeliveryState.DELIVERED)
    assert json.loads(receiver.got[0].body) == {"as": "it was"}
