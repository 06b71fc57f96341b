"""Every task store: keys, changes of state, and what is forgotten."""

import asyncio

import pytest

from backend.store.task_store import TaskStore
from backend.tasks import Attachment, Outcome, Output, TaskEvent, TaskState
from tests.backend.making import (
    a_task,
    claimed,
    kept,
    offered,
    queued,
    taken,
)
from tests.backend.store.stores import Process

DONE = Outcome(TaskState.DONE, outputs=(Output("0.png", "image/png", 700),))
FAILED = Outcome(TaskState.FAILED, error="no", error_code="odd")


# idempotency keys


async def test_second_task_of_a_key_is_the_first_as_it_stands(store: TaskStore) -> None:
    await queued(store, "first", idempotency_key="k")
    running = await claimed(store)
    assert await store.add(a_task("second", idempotency_key="k"), {}) == (running, False)
    assert await store.get("second") is None


async def test_second_task_of_an_id_is_the_first_as_it_stands(store: TaskStore) -> None:
    first = await queued(store, params={"prompt": "first"})
    assert await store.add(a_task(mode="other"), {"prompt": "second"}) == (first, False)
    assert (await taken(store)).params == {"prompt": "first"}


async def test_tasks_without_a_key_are_all_kept(store: TaskStore) -> None:
    for name in ("a", "b"):
        await queued(store, name)
    assert await store.queued() == 2


async def test_task_is_found_by_its_key(store: TaskStore) -> None:
    task = await queued(store, idempotency_key="ü", fingerprint="f")
    assert await store.by_key("ü", None) == task
    assert await store.by_key("another", None) is None


async def test_key_of_another_owner_is_another_key(store: TaskStore) -> None:
    tasks = [
        await queued(store, f"of {owner}", owner=owner, idempotency_key="k")
        for owner in ("k1", "k2", None)
    ]
    assert [await store.by_key("k", task.owner) for task in tasks] == tasks


async def test_fifty_at_once_with_one_key_are_one_task(store: TaskStore) -> None:
    tasks = [a_task(f"t{number}", idempotency_key="k") for number in range(50)]
    answers = await asyncio.gather(*(store.add(task, {}) for task in tasks))
    assert len({task.id for task, _ in answers}) == 1
    assert [is_new for _, is_new in answers].count(True) == 1
    assert await store.queued() == 1


async def test_key_outlives_the_process(process: Process) -> None:
    async with process() as before:
        task = await queued(before, idempotency_key="k")
    async with process() as store:
        assert await store.by_key("k", None) == task


# changes of state


def told(events: list[TaskEvent]) -> list[tuple[TaskState, int]]:
    return [(event.state, event.attempt) for event in events]


async def test_every_change_of_state_is_told_in_order(store: TaskStore) -> None:
    await queued(store)
    await store.release(await claimed(store), not_before=0.0, spent=True)
    await store.finish(await claimed(store), DONE, 2500.0)
    events = await store.events("t1")
    assert told(events) == [
        (TaskState.QUEUED, 0),
        (TaskState.RUNNING, 1),
        (TaskState.QUEUED, 1),
        (TaskState.RUNNING, 2),
        (TaskState.DONE, 2),
    ]
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))


async def test_changes_after_one_are_told_from_there(store: TaskStore) -> None:
    await queued(store)
    [first] = await store.events("t1")
    await claimed(store)
    assert told(await store.events("t1", first.seq)) == [(TaskState.RUNNING, 1)]


async def test_changes_of_another_task_are_not_told(store: TaskStore) -> None:
    await queued(store, "a")
    await queued(store, "b")
    assert len(await store.events("a")) == 1
    assert await store.events("nope") == []


async def test_result_that_is_dropped_is_no_change(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    await store.cancel("t1", 2500.0)
    await store.finish(task, DONE, 2600.0)
    assert told(await store.events("t1"))[-1] == (TaskState.CANCELLED, 1)
    assert len(await store.events("t1")) == 3


async def test_recovery_and_deadline_are_changes(process: Process) -> None:
    async with process() as before:
        await queued(before, deadline=2500.0)
        await claimed(before)
    async with process() as store:
        await store.recover(5, 2400.0, 0.0)
        await store.expire(2500.0)
        states = [event.state for event in await store.events("t1")]
    assert states[2:] == [TaskState.QUEUED, TaskState.CANCELLED]


# what is forgotten


async def ended(store: TaskStore, name: str, now: float, outcome: Outcome = DONE) -> None:
    await queued(store, name)
    await store.finish(await claimed(store), outcome, now)


async def test_ended_tasks_come_as_they_ended(store: TaskStore) -> None:
    await ended(store, "second", 3000.0)
    await ended(store, "first", 2500.0, FAILED)
    await queued(store, "waits")
    assert [task.id for task in await store.oldest_ended(9)] == ["first", "second"]
    assert [task.id for task in await store.oldest_ended(1)] == ["first"]


async def test_cancelled_and_expired_tasks_have_ended(store: TaskStore) -> None:
    await queued(store, "cancelled")
    await store.cancel("cancelled", 2500.0)
    await queued(store, "expired", deadline=2600.0)
    await store.expire(2600.0)
    assert [task.id for task in await store.oldest_ended(9)] == ["cancelled", "expired"]


async def test_ended_tasks_take_up_their_outputs_and_what_was_sent(store: TaskStore) -> None:
    await queued(store, "waits", params={"image": "x" * 5000})
    assert await store.spent_bytes() == 0
    await store.cancel("waits", 2500.0)
    sent = await store.spent_bytes()
    assert 5000 < sent < 5100
    await ended(store, "done", 2500.0)
    assert 700 < await store.spent_bytes() - sent < 800


async def test_what_was_sent_as_files_is_kept_with_the_task_and_counts(store: TaskStore) -> None:
    sent = (Attachment("image", "params-0.json", 5000), Attachment("mask", "params-1.json", 700))
    await queued(store, attachments=sent)
    claim = await taken(store)
    assert claim.task.attachments == sent
    await store.cancel("t1", 2500.0)
    assert (await kept(store)).attachments == sent
    assert 5700 < await store.spent_bytes() < 5800


async def test_removed_task_is_forgotten_with_its_story_and_its_key(
    store: TaskStore,
) -> None:
    await queued(store, idempotency_key="k")
    await store.finish(await claimed(store), DONE, 2500.0)
    assert await store.remove("t1")
    assert (await store.get("t1"), await store.by_key("k", None)) == (None, None)
    assert await store.events("t1") == []
    assert await store.spent_bytes() == 0


@pytest.mark.parametrize("runs", [False, True], ids=["queued", "running"])
async def test_task_that_has_not_ended_is_not_removed(store: TaskStore, runs: bool) -> None:
    await queued(store)
    if runs:
        await claimed(store)
    assert not await store.remove("t1")
    assert (await kept(store)).id == "t1"


async def test_unknown_task_is_not_removed(store: TaskStore) -> None:
    assert not await store.remove("nope")
    assert await offered(store) is None
