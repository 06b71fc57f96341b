"""How many tasks wait and run, and what webhooks have still to be told."""

from typing import Any

from backend.store.census import Backlog, TaskGroup
from backend.store.task_store import TaskStore
from backend.store.webhook_outbox import DeliveryState, Result
from backend.tasks import Outcome, TaskState, Webhook
from tests.backend.making import claimed, queued

QUEUED, RUNNING = TaskState.QUEUED, TaskState.RUNNING


async def test_empty_store_has_nothing_to_tell(store: TaskStore) -> None:
    assert await store.census() == []


async def test_what_waits_and_runs_is_counted_by_mode_since_the_oldest(store: TaskStore) -> None:
    await queued(store, "t1", created_at=900.0, rank=900.0)
    await claimed(store, now=1000.0)
    await queued(store, "t2", created_at=1200.0, rank=600.0)
    await queued(store, "t3", created_at=1100.0, rank=1700.0)
    await queued(store, "t4", mode="upscale", created_at=1300.0, rank=1300.0)
    assert await store.census() == [
        TaskGroup(QUEUED, "free", 2, 1100.0),
        TaskGroup(QUEUED, "upscale", 1, 1300.0),
        TaskGroup(RUNNING, "free", 1, 1000.0),
    ]


async def test_what_has_ended_is_not_counted(store: TaskStore) -> None:
    await queued(store)
    await store.finish(await claimed(store), Outcome(TaskState.DONE), 2500.0)
    assert await store.census() == []


async def test_task_that_was_retried_by_hand_has_waited_since_then(store: TaskStore) -> None:
    await queued(store, created_at=1000.0)
    await store.finish(await claimed(store), Outcome(TaskState.FAILED), 2500.0)
    await store.retry("t1", rank=9000.0)
    assert await store.census() == [TaskGroup(QUEUED, "free", 1, 9000.0)]


async def test_messages_that_nobody_has_heard_are_counted(store: Any) -> None:
    assert await store.backlog() == Backlog(0, 0, None)
    for number in range(3):
        webhook = Webhook("https://hooks.test/", (QUEUED,), "hooks.test")
        await queued(store, f"t{number}", created_at=1000.0 + number, webhook=webhook)
    first, second = await store.take(5000.0, 30.0, 2, [])
    await store.settle(first, Result(DeliveryState.DELIVERED))
    await store.settle(second, Result(DeliveryState.FAILED))
    assert await store.backlog() == Backlog(1, 1, 1002.0)
