"""Every task store."""

import asyncio

import pytest

from backend.store.task_store import TaskStore
from backend.tasks import ImageFormat, Outcome, Output, OutputOptions, Priority, TaskState, Webhook
from tests.backend.making import a_task, claimed, kept, offered, queued, taken
from tests.backend.store.stores import Process
from tests.conditions import eventually

DONE = Outcome(TaskState.DONE, outputs=(Output("0.png", "image/png", 7),))


async def test_task_comes_back_as_it_was(store: TaskStore) -> None:
    task = a_task(
        needs={"model": "ü\x00\n", "n": 2**64},
        priority=Priority.HIGH,
        rank=400.0,
        deadline=5000.0,
        owner="k1",
        output_options=OutputOptions(ImageFormat.JPEG, 80, keep_metadata=True),
        webhook=Webhook("https://hooks.test/ü", (TaskState.RUNNING, TaskState.DONE), "hooks.test"),
        idempotency_key="ü key",
        fingerprint="abc",
    )
    assert await store.add(task, {}) == (task, True)
    assert await store.get("t1") == task


async def test_what_was_sent_comes_with_the_claim(store: TaskStore) -> None:
    params = {"prompt": "ü\x00\n", "seed": 2**64, "nested": [{"a": None}]}
    await queued(store, params=params)
    assert (await taken(store)).params == params


async def test_unknown_task_is_none(store: TaskStore) -> None:
    assert await store.get("t1") is None


async def test_tasks_outlive_the_process(process: Process) -> None:
    async with process() as before:
        await queued(before)
    async with process() as store:
        assert await store.get("t1") == a_task()


async def test_claim_takes_the_first_that_came(store: TaskStore) -> None:
    for name in ("c", "a", "b"):
        await queued(store, name)
    assert [(await claimed(store)).id for _ in range(3)] == ["c", "a", "b"]


async def test_claim_of_nothing_is_none(store: TaskStore) -> None:
    assert await offered(store, 2000.0) is None


async def test_claimed_task_runs_as_a_new_attempt(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store, 2000.0)
    assert (task.state, task.attempt, task.started_at) == (TaskState.RUNNING, 1, 2000.0)
    assert await store.get("t1") == task


async def test_task_is_claimed_once(store: TaskStore) -> None:
    await queued(store)
    claims = await asyncio.gather(*(offered(store, 2000.0) for _ in range(10)))
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_claim_passes_over_what_is_not_due(store: TaskStore) -> None:
    """A store with a clock of its own may take a moment to see that something has come due."""
    await queued(store, "early")
    await queued(store, "late")
    await store.release(await claimed(store), not_before=3000.0, spent=True)
    assert (await claimed(store, 2999.9)).id == "late"
    assert await offered(store, 2999.9) is None
    claim = await eventually(lambda: offered(store, 3000.0))
    assert claim.task.id == "early"


async def test_released_task_keeps_its_place(store: TaskStore) -> None:
    for name in ("first", "second"):
        await queued(store, name)
    await store.release(await claimed(store), not_before=0.0, spent=True)
    assert (await claimed(store)).id == "first"


@pytest.mark.parametrize(("spent", "attempt"), [(True, 1), (False, 0)])
async def test_release_counts_what_is_spent(store: TaskStore, spent: bool, attempt: int) -> None:
    await queued(store)
    assert await store.release(await claimed(store), not_before=0.0, spent=spent)
    task = await kept(store)
    assert (task.state, task.attempt, task.started_at) == (TaskState.QUEUED, attempt, None)


async def test_finish_keeps_the_outcome(store: TaskStore) -> None:
    await queued(store)
    assert await store.finish(await claimed(store), DONE, 2500.0)
    task = await kept(store)
    assert (task.state, task.finished_at, task.outputs) == (TaskState.DONE, 2500.0, DONE.outputs)


async def test_finish_keeps_the_error(store: TaskStore) -> None:
    await queued(store)
    outcome = Outcome(TaskState.FAILED, error="too big", error_code="oom")
    assert await store.finish(await claimed(store), outcome, 2500.0)
    task = await kept(store)
    assert (task.state, task.error, task.error_code) == (TaskState.FAILED, "too big", "oom")


async def test_error_with_an_unpaired_surrogate_is_kept(store: TaskStore) -> None:
    await queued(store)
    outcome = Outcome(TaskState.FAILED, error="no file 'a\udcff'", error_code="oom")
    assert await store.finish(await claimed(store), outcome, 2500.0)
    assert (await kept(store)).error == "no file 'a\\udcff'"


async def test_finish_of_an_earlier_attempt_is_dropped(store: TaskStore) -> None:
    await queued(store)
    late = await claimed(store)
    await store.release(late, not_before=0.0, spent=True)
    current = await claimed(store)
    assert not await store.finish(late, DONE, 2500.0)
    assert await kept(store) == current


async def test_finish_of_an_ended_task_is_dropped(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    await store.finish(task, DONE, 2500.0)
    assert not await store.finish(task, Outcome(TaskState.FAILED, error="late"), 2600.0)
    assert (await kept(store)).state is TaskState.DONE


async def test_release_of_an_earlier_attempt_is_dropped(store: TaskStore) -> None:
    await queued(store)
    late = await claimed(store)
    await store.release(late, not_before=0.0, spent=True)
    current = await claimed(store)
    assert not await store.release(late, not_before=0.0, spent=True)
    assert await kept(store) == current


async def test_position_counts_the_queued_before(store: TaskStore) -> None:
    for name in ("runs", "first", "second"):
        await queued(store, name)
    await claimed(store)
    assert await store.position("runs") is None
    assert await store.position("first") == 0
    assert await store.position("second") == 1
    assert await store.position("unknown") is None


async def test_recover_queues_what_ran(process: Process) -> None:
    async with process() as before:
        await queued(before)
        await claimed(before)
    async with process() as store:
        [recovered] = await store.recover(5, 3000.0, 3020.0)
        task = await kept(store)
    assert (task.state, task.attempt, task.started_at) == (TaskState.QUEUED, 1, None)
    assert recovered == task


async def test_recover_leaves_what_did_not_run(process: Process) -> None:
    async with process() as before:
        await queued(before, "done")
        await before.finish(await claimed(before), DONE, 2500.0)
        await queued(before, "queued")
    async with process() as store:
        were = [await kept(store, name) for name in ("done", "queued")]
        assert await store.recover(1, 3000.0, 3020.0) == []
        assert [await kept(store, name) for name in ("done", "queued")] == were


async def test_recover_leaves_what_runs_in_this_process(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    assert await store.recover(1, 3000.0, 3020.0) == []
    assert await kept(store) == task


async def test_recover_fails_what_has_no_attempt_left(process: Process) -> None:
    async with process() as first:
        await queued(first)
        await claimed(first)
    async with process() as second:
        assert [task.state for task in await second.recover(2, 3000.0, 0.0)] == [TaskState.QUEUED]
        await claimed(second)
    async with process() as third:
        [recovered] = await third.recover(2, 3000.0, 0.0)
        task = await kept(third)
    assert (task.state, task.attempt, task.finished_at) == (TaskState.FAILED, 2, 3000.0)
    assert task.error_code == "backend_crashed"
    assert task.error is not None
    assert "send it again" in task.error
    assert recovered == task
