"""Every task store: whose turn it is, and who is given it."""

from collections.abc import Mapping
from typing import Any

import pytest

from backend.store.task_store import TaskStore
from backend.tasks import Job, Outcome, Priority, TaskState
from tests.backend.gpu_service import OTHER_URL
from tests.backend.making import (
    SERVICE_URL,
    a_task,
    claimed,
    kept,
    offered,
    queued,
    taken,
)
from tests.backend.store.stores import Process
from tests.conditions import eventually

AGEING = 600.0
HOLD = 2100.0
DONE = Outcome(TaskState.DONE)


async def ranked(store: TaskStore, task_id: str, priority: Priority, created_at: float) -> None:
    rank = priority.rank(created_at, AGEING)
    await queued(store, task_id, priority=priority, created_at=created_at, rank=rank)


def only(*workflows: str) -> Any:
    """A GPU service that can run these."""
    return lambda workflow, needs: workflow in workflows


# priorities


async def test_higher_tier_goes_first(store: TaskStore) -> None:
    for number, priority in enumerate((Priority.LOW, Priority.NORMAL, Priority.HIGH)):
        await ranked(store, priority.value, priority, 1000.0 + number)
    assert [(await claimed(store)).id for _ in range(3)] == ["high", "normal", "low"]


async def test_low_task_that_has_waited_long_goes_before_a_newer_normal_one(
    store: TaskStore,
) -> None:
    await ranked(store, "low", Priority.LOW, 1000.0)
    await ranked(store, "before", Priority.NORMAL, 1599.0)
    await ranked(store, "after", Priority.NORMAL, 1601.0)
    assert [(await claimed(store)).id for _ in range(3)] == ["before", "low", "after"]


async def test_equal_ranks_go_as_they_came(store: TaskStore) -> None:
    for name in ("c", "a", "b"):
        await queued(store, name, rank=1000.0)
    assert [(await claimed(store)).id for _ in range(3)] == ["c", "a", "b"]


async def test_position_goes_by_rank(store: TaskStore) -> None:
    await ranked(store, "normal", Priority.NORMAL, 1000.0)
    await ranked(store, "high", Priority.HIGH, 1001.0)
    assert (await store.position("high"), await store.position("normal")) == (0, 1)


async def test_released_task_keeps_its_rank(store: TaskStore) -> None:
    await ranked(store, "high", Priority.HIGH, 1001.0)
    await ranked(store, "normal", Priority.NORMAL, 1000.0)
    await store.release(await claimed(store), not_before=0.0, spent=True)
    assert (await claimed(store)).id == "high"


async def test_waiting_tasks_are_counted(store: TaskStore) -> None:
    for name in ("runs", "a", "b"):
        await queued(store, name)
    await claimed(store)
    assert await store.queued() == 2


# who can run it


async def test_service_is_given_only_what_it_serves(store: TaskStore) -> None:
    await queued(store, "other", workflow="upscale", rank=1.0)
    await queued(store, "ours", workflow="inpaint", rank=2.0)
    assert (await taken(store, serves=only("inpaint"))).task.id == "ours"
    assert await offered(store, serves=only("inpaint")) is None


async def test_first_of_all_that_is_served_goes_first(store: TaskStore) -> None:
    await queued(store, "refused", workflow="a", rank=1.0)
    await queued(store, "third", workflow="b", rank=4.0)
    await queued(store, "first", workflow="c", rank=2.0)
    await queued(store, "second", workflow="b", needs={"model": "m"}, rank=3.0)
    claims = [await taken(store, serves=only("b", "c")) for _ in range(3)]
    assert [claim.task.id for claim in claims] == ["first", "second", "third"]


async def test_service_is_asked_about_workflow_and_needs(store: TaskStore) -> None:
    await queued(store, workflow="upscale", needs={"model": "x4"})
    asked: list[tuple[str, Any]] = []

    def serves(workflow: str, needs: Mapping[str, Any]) -> bool:
        asked.append((workflow, needs))
        return True

    await taken(store, serves=serves)
    assert asked == [("upscale", {"model": "x4"})]


async def test_what_is_not_due_is_given_to_nobody_who_asks_queue_by_queue(
    store: TaskStore,
) -> None:
    await queued(store, "later", workflow="ours")
    await store.release(await claimed(store), not_before=3000.0, spent=True)
    await queued(store, "other", workflow="theirs")
    assert await offered(store, 2999.9, serves=only("ours")) is None
    claim = await eventually(lambda: offered(store, 3000.0, serves=only("ours")))
    assert claim.task.id == "later"


# holds: a job that may go on is left to the GPU service that has it


async def left_behind(store: TaskStore, held_until: float) -> None:
    """A task whose job may go on."""
    await queued(store)
    task = await claimed(store, job_id="left")
    await store.release(task, not_before=0.0, spent=True, keep_job=True, held_until=held_until)


async def test_held_task_is_not_given_to_another_service(store: TaskStore) -> None:
    await left_behind(store, HOLD)
    assert await offered(store, HOLD - 0.1, "new", OTHER_URL) is None


async def test_held_task_lets_others_pass(store: TaskStore) -> None:
    await left_behind(store, HOLD)
    await queued(store, "free", rank=9.0)
    assert (await taken(store, HOLD - 0.1, "new", OTHER_URL)).task.id == "free"


async def test_held_task_is_given_to_its_service_to_be_found_again(
    store: TaskStore,
) -> None:
    await left_behind(store, HOLD)
    claim = await taken(store, HOLD - 0.1, "new")
    assert (claim.task.job, claim.resume, claim.left) == (Job("left", SERVICE_URL), True, None)


async def test_another_service_begins_anew_once_the_hold_is_over(store: TaskStore) -> None:
    await left_behind(store, HOLD)
    claim = await taken(store, HOLD, "new", OTHER_URL)
    assert (claim.task.job, claim.resume) == (Job("new", OTHER_URL), False)
    assert claim.left == Job("left", SERVICE_URL)


async def test_job_that_is_not_held_is_left_behind_at_once(store: TaskStore) -> None:
    await left_behind(store, 0.0)
    claim = await taken(store, job_id="new", service=OTHER_URL)
    assert claim.left == Job("left", SERVICE_URL)


async def test_job_that_was_not_kept_is_nobody_s(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store, job_id="over")
    await store.release(task, not_before=0.0, spent=True, held_until=HOLD)
    claim = await taken(store, job_id="new", service=OTHER_URL)
    assert (claim.task.job, claim.resume, claim.left) == (Job("new", OTHER_URL), False, None)


async def test_new_task_leaves_no_job_behind(store: TaskStore) -> None:
    await queued(store)
    claim = await taken(store)
    assert (claim.resume, claim.left) == (False, None)


async def test_recovered_task_is_held_for_its_service(process: Process) -> None:
    async with process() as before:
        await queued(before)
        await claimed(before, job_id="left")
    async with process() as store:
        await store.recover(5, 2050.0, HOLD)
        assert await offered(store, HOLD - 0.1, "new", OTHER_URL) is None
        assert (await taken(store, HOLD - 0.1, "new")).resume


# deadlines


@pytest.mark.parametrize("runs", [False, True], ids=["queued", "running"])
async def test_task_past_its_deadline_is_cancelled_and_says_why(
    store: TaskStore, runs: bool
) -> None:
    await queued(store, deadline=2500.0)
    if runs:
        await claimed(store)
    [expired] = await store.expire(2500.0)
    assert (expired.state, expired.error_code) == (TaskState.CANCELLED, "deadline_passed")
    assert expired.finished_at == 2500.0
    assert "Cancel-After" in str(expired.error)
    assert expired.job == (Job("j1", SERVICE_URL) if runs else None)
    assert await kept(store) == expired


async def test_task_before_its_deadline_stays(store: TaskStore) -> None:
    await queued(store, deadline=2500.0)
    await queued(store, "without one")
    assert await store.expire(2499.9) == []
    assert (await kept(store)).state is TaskState.QUEUED


async def test_ended_task_has_no_deadline_any_more(store: TaskStore) -> None:
    await queued(store, deadline=2500.0)
    await store.finish(await claimed(store), DONE, 2400.0)
    assert await store.expire(2600.0) == []
    assert (await kept(store)).state is TaskState.DONE


async def test_result_after_the_deadline_is_dropped(store: TaskStore) -> None:
    await queued(store, deadline=2500.0)
    task = await claimed(store)
    await store.expire(2600.0)
    assert not await store.finish(task, DONE, 2601.0)


# a clock that is set back by an hour


async def test_new_task_is_taken_though_the_clock_was_set_back(store: TaskStore) -> None:
    await queued(store, created_at=10_000.0, rank=10_000.0)
    assert (await claimed(store, 6400.0)).id == "t1"


async def test_job_is_found_again_though_the_clock_was_set_back(store: TaskStore) -> None:
    await queued(store, created_at=10_000.0)
    task = await claimed(store, 10_001.0, "left")
    await store.release(task, not_before=0.0, spent=False, keep_job=True, held_until=10_021.0)
    assert (await taken(store, 6400.0)).resume


async def test_task_ends_though_the_clock_was_set_back(store: TaskStore) -> None:
    await queued(store, created_at=10_000.0)
    task = await claimed(store, 10_001.0)
    assert await store.finish(task, DONE, 6400.0)


async def test_task_that_comes_later_by_an_earlier_clock_starves_nobody(
    store: TaskStore,
) -> None:
    await queued(store, "before", created_at=10_000.0, rank=10_000.0)
    await queued(store, "after", created_at=6400.0, rank=6400.0)
    await queued(store, "an hour on", created_at=10_001.0, rank=10_001.0)
    names = [(await claimed(store, 10_002.0)).id for _ in range(3)]
    assert names == ["after", "before", "an hour on"]


async def test_task_is_as_it_was_sent(store: TaskStore) -> None:
    """Its attempts change nothing of what the client asked for."""
    sent = a_task(priority=Priority.LOW, rank=7.0, deadline=9000.0, needs={"model": "m"})
    await store.add(sent, {})
    await store.release(await claimed(store), not_before=0.0, spent=False)
    assert await kept(store) == sent
