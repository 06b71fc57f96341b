"""Every webhooks' outbox: written with the change of state, told until it has been heard."""

from typing import Any

import pytest

from backend.store.task_store import TaskStore
from backend.store.webhook_outbox import Delivery, DeliveryFilter, DeliveryState, Result
from backend.tasks import Outcome, TaskState, Webhook
from tests.backend.making import claimed, kept, queued

DONE = Outcome(TaskState.DONE)
ALL = DeliveryFilter()
PENDING, DELIVERED, FAILED = DeliveryState
NOW = 5000.0


def webhook(*events: TaskState, host: str = "hooks.test") -> Webhook:
    return Webhook(f"https://{host}/ü", events or (TaskState.DONE,), host)


@pytest.fixture
def outbox(store: Any) -> Any:
    """The store is both."""
    return store


async def one_due(store: TaskStore, outbox: Any, **changes: Any) -> Delivery:
    await queued(store, webhook=webhook(TaskState.QUEUED), **changes)
    [delivery] = await outbox.take(NOW, 30.0, 10, [])
    found: Delivery = delivery
    return found


async def test_webhook_is_told_of_the_events_that_it_wants(store: TaskStore, outbox: Any) -> None:
    await queued(store, webhook=webhook(TaskState.RUNNING, TaskState.DONE), owner="k1")
    await store.finish(await claimed(store), DONE, 2500.0)
    told = await outbox.take(NOW, 30.0, 10, [])
    assert [each.event for each in told] == ["running", "done"]
    assert {(each.task_id, each.owner, each.url, each.host) for each in told} == {
        ("t1", "k1", "https://hooks.test/ü", "hooks.test")
    }
    assert len({each.id for each in told}) == 2
    assert all(each.id.startswith("msg_") and len(each.id) == 36 for each in told)


async def test_task_without_a_webhook_tells_nobody(store: TaskStore, outbox: Any) -> None:
    await queued(store)
    await store.finish(await claimed(store), DONE, 2500.0)
    assert await outbox.deliveries(ALL, None, 10) == []


async def test_what_was_taken_is_nobody_else_s_until_the_lease_is_over(
    store: TaskStore, outbox: Any
) -> None:
    first = await one_due(store, outbox)
    assert await outbox.take(NOW + 29.0, 30.0, 10, []) == []
    [again] = await outbox.take(NOW + 31.0, 30.0, 10, [])
    assert (again.id, first.attempts, again.attempts) == (first.id, 1, 2)


async def test_busy_host_is_left_alone_meanwhile(store: TaskStore, outbox: Any) -> None:
    for number, host in enumerate(("a.test", "a.test", "b.test")):
        await queued(store, f"t{number}", webhook=webhook(TaskState.QUEUED, host=host))
    assert [each.host for each in await outbox.take(NOW, 30.0, 10, ["a.test"])] == ["b.test"]
    assert len(await outbox.take(NOW, 30.0, 1, ["b.test"])) == 1


async def test_what_was_sent_first_is_kept(store: TaskStore, outbox: Any) -> None:
    delivery = await one_due(store, outbox)
    await outbox.freeze(delivery, '{"ü": 1}')
    found = await outbox.delivery(delivery.id)
    assert found.payload == '{"ü": 1}'


async def test_delivered_is_not_sent_again(store: TaskStore, outbox: Any) -> None:
    delivery = await one_due(store, outbox)
    await outbox.settle(delivery, Result(DELIVERED, status=204, delivered_at=NOW))
    assert await outbox.take(NOW + 99.0, 30.0, 10, []) == []
    found = await outbox.delivery(delivery.id)
    assert (found.state, found.status, found.delivered_at) == (DELIVERED, 204, NOW)


async def test_failed_try_waits_for_its_time(store: TaskStore, outbox: Any) -> None:
    delivery = await one_due(store, outbox)
    await outbox.settle(delivery, Result(PENDING, due_at=NOW + 60.0, status=500, error="no"))
    assert await outbox.take(NOW + 59.0, 30.0, 10, []) == []
    [again] = await outbox.take(NOW + 61.0, 30.0, 10, [])
    assert (again.status, again.error) == (500, "no")


async def test_clock_that_was_set_back_holds_nothing_up(store: TaskStore, outbox: Any) -> None:
    delivery = await one_due(store, outbox)
    await outbox.settle(delivery, Result(PENDING, due_at=NOW + 60.0, error="no"))
    assert len(await outbox.take(NOW - 30 * 86400.0, 30.0, 10, [])) == 1


async def test_receiver_that_is_gone_hears_nothing_more_of_the_task(
    store: TaskStore, outbox: Any
) -> None:
    await queued(store, webhook=webhook(TaskState.QUEUED, TaskState.RUNNING, TaskState.DONE))
    task = await claimed(store)
    first, _ = await outbox.take(NOW, 30.0, 10, [])
    await outbox.settle(first, Result(FAILED, status=410, error="gone", gone=True))
    await store.finish(task, DONE, 2500.0)
    assert await outbox.take(NOW + 99.0, 30.0, 10, []) == []
    states = [each.state for each in await outbox.deliveries(ALL, None, 10)]
    assert states == [FAILED, FAILED]
    assert (await kept(store)).webhook is None


async def test_deliveries_are_listed_newest_first_by_pages(store: TaskStore, outbox: Any) -> None:
    for number, owner in enumerate(("k1", "k2", "k1")):
        await queued(store, f"t{number}", owner=owner, webhook=webhook(TaskState.QUEUED))
    page = await outbox.deliveries(ALL, None, 2)
    rest = await outbox.deliveries(ALL, page[-1].seq, 2)
    assert [each.task_id for each in page + rest] == ["t2", "t1", "t0"]
    mine = await outbox.deliveries(DeliveryFilter(owner="k1"), None, 9)
    assert [each.task_id for each in mine] == ["t2", "t0"]
    of_one = DeliveryFilter(task_id="t1", state=PENDING)
    assert [each.task_id for each in await outbox.deliveries(of_one, None, 9)] == ["t1"]
    assert await outbox.deliveries(DeliveryFilter(state=FAILED), None, 9) == []


async def test_failed_one_is_sent_again_with_the_same_id(store: TaskStore, outbox: Any) -> None:
    delivery = await one_due(store, outbox)
    await outbox.settle(delivery, Result(FAILED, status=500, error="no"))
    assert await outbox.redeliver(delivery.id)
    [again] = await outbox.take(NOW, 30.0, 10, [])
    assert (again.id, again.attempts, again.error) == (delivery.id, 1, None)
    assert not await outbox.redeliver("msg_unknown\x00")
    assert await outbox.delivery("msg_unknown\x00") is None


async def test_deliveries_go_with_their_task(store: TaskStore, outbox: Any) -> None:
    delivery = await one_due(store, outbox)
    await store.cancel("t1", 2000.0)
    await store.remove("t1")
    assert await outbox.delivery(delivery.id) is None
