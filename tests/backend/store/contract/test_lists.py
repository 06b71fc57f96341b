"""Every task store: which tasks there are, how long they ran, and those that run once more."""

import pytest

from backend.store.task_store import TaskStore
from backend.tasks import Outcome, Output, Task, TaskFilter, TaskState
from tests.backend.making import a_task, claimed, kept, offered, queued, taken

DONE = Outcome(TaskState.DONE, outputs=(Output("0.png", "image/png", 700),), values={"seed": 1})
FAILED = Outcome(TaskState.FAILED, error="no", error_code="odd")
ALL = TaskFilter()


async def names(store: TaskStore, wanted: TaskFilter = ALL, limit: int = 100) -> list[str]:
    return [task.id for _, task in await store.newest(wanted, None, limit)]


async def ran(store: TaskStore, task_id: str, outcome: Outcome, seconds: float = 5.0) -> Task:
    await queued(store, task_id)
    task = await claimed(store, 2000.0, job_id=f"job of {task_id}")
    assert await store.finish(task, outcome, 2000.0 + seconds)
    return task


# lists


async def test_newest_come_first(store: TaskStore) -> None:
    for name in ("b", "c", "a"):
        await queued(store, name)
    assert await names(store) == ["a", "c", "b"]


async def test_pages_together_are_the_list(store: TaskStore) -> None:
    for number in range(7):
        await queued(store, f"t{number}")
    pages: list[list[str]] = []
    before: int | None = None
    while page := await store.newest(ALL, before, 3):
        pages.append([task.id for _, task in page])
        before = page[-1][0]
    assert pages == [["t6", "t5", "t4"], ["t3", "t2", "t1"], ["t0"]]


async def test_task_that_was_removed_leaves_no_gap(store: TaskStore) -> None:
    for name in ("a", "b"):
        await queued(store, name)
    await ran(store, "c", DONE)
    [(seq, _)] = await store.newest(ALL, None, 1)
    await store.remove("a")
    assert [task.id for _, task in await store.newest(ALL, seq, 5)] == ["b"]


async def test_owner_s_tasks_are_theirs(store: TaskStore) -> None:
    for name, owner in (("a", "k1"), ("b", "k2"), ("c", None), ("d", "k1")):
        await queued(store, name, owner=owner)
    assert await names(store, TaskFilter(owner="k1")) == ["d", "a"]


@pytest.mark.parametrize(
    ("states", "found"),
    [
        ((TaskState.DONE,), ["done"]),
        ((TaskState.QUEUED,), ["waits", "also waits"]),
        ((TaskState.FAILED, TaskState.DONE), ["failed", "done"]),
        ((TaskState.CANCELLED, TaskState.QUEUED), ["waits", "cancelled", "also waits"]),
        ((TaskState.RUNNING,), []),
    ],
    ids=str,
)
async def test_states_are_chosen(
    store: TaskStore, states: tuple[TaskState, ...], found: list[str]
) -> None:
    await ran(store, "done", DONE)
    await ran(store, "failed", FAILED)
    await queued(store, "also waits")
    await queued(store, "cancelled")
    await store.cancel("cancelled", 2000.0)
    await queued(store, "waits")
    assert await names(store, TaskFilter(states=states)) == found


async def test_mode_is_chosen_within_owner_and_state(store: TaskStore) -> None:
    for number, (mode, owner) in enumerate((("free", "k1"), ("ü", "k1"), ("ü", "k2"), ("ü", "k1"))):
        await queued(store, f"t{number}", mode=mode, owner=owner)
    await store.cancel("t3", 2000.0)
    wanted = TaskFilter("k1", (TaskState.QUEUED, TaskState.RUNNING), "ü")
    assert await names(store, wanted) == ["t1"]


async def test_mode_with_odd_characters_is_found(store: TaskStore) -> None:
    await queued(store, mode="a\x00b\ud800")
    assert await names(store, TaskFilter(mode="a\x00b\ud800")) == ["t1"]


# how long they ran


async def test_last_runs_are_told_newest_first(store: TaskStore) -> None:
    for number, seconds in enumerate((3.0, 4.0, 5.0)):
        await ran(store, f"t{number}", DONE, seconds)
    await ran(store, "failed", FAILED, 99.0)
    assert await store.run_seconds("free_generation", 2) == [5.0, 4.0]
    assert await store.run_seconds("another", 2) == []


# once more


@pytest.mark.parametrize("how", ["failed", "cancelled"])
async def test_ended_task_waits_once_more_as_if_new(store: TaskStore, how: str) -> None:
    await queued(store, deadline=9000.0, params={"prompt": "kept"})
    task = await claimed(store)
    if how == "failed":
        await store.finish(task, FAILED, 2500.0)
    else:
        await store.cancel("t1", 2500.0)
    again = await store.retry("t1", 7.0)
    assert again == await kept(store)
    assert again == a_task(attempt=1, first_attempt=1, rank=7.0)
    claim = await taken(store, 3000.0, job_id="j2")
    assert (claim.task.attempt, claim.task.attempts_spent, claim.task.job_id) == (2, 1, "j2")
    assert (claim.params, claim.resume, claim.left) == ({"prompt": "kept"}, False, None)


async def test_late_result_of_the_attempt_before_is_dropped(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    await store.cancel("t1", 2500.0)
    await store.retry("t1", 0.0)
    assert not await store.finish(task, DONE, 2600.0)
    assert (await kept(store)).state is TaskState.QUEUED


@pytest.mark.parametrize("state", ["queued", "running", "done", "unknown"])
async def test_only_what_failed_or_was_cancelled_is_retried(store: TaskStore, state: str) -> None:
    if state != "unknown":
        await queued(store)
    if state in ("running", "done"):
        task = await claimed(store)
        if state == "done":
            await store.finish(task, DONE, 2500.0)
    before = await store.get("t1")
    assert await store.retry("t1", 0.0) is None
    assert await store.get("t1") == before


async def test_retried_task_s_worker_may_die_as_often_as_a_new_one_s(store: TaskStore) -> None:
    await queued(store)
    for number in range(3):
        await store.finish(await claimed(store, job_id=f"j{number}"), FAILED, 2500.0)
        await store.retry("t1", 0.0)
    assert (await kept(store)).attempts_spent == 0
    assert await offered(store, 3000.0, job_id="j9") is not None
