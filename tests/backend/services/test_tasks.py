"""Reading tasks, and waiting for them."""

import anyio
import pytest

from backend.errors import TaskNotFound
from backend.services.attempt import AttemptRunner
from backend.services.progress import ProgressBoard
from backend.services.task_ends import TaskEnds
from backend.services.tasks import TaskService
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.making import a_task


@pytest.fixture
def tasks(
    store: SQLiteTaskStore,
    outputs: OutputStore,
    ends: TaskEnds,
    board: ProgressBoard,
    runner: AttemptRunner,
) -> TaskService:
    return TaskService(store, outputs, ends, board, runner)


async def claimed(store: SQLiteTaskStore) -> Task:
    await store.add(a_task())
    task = await store.claim(2000.0, "j1")
    assert task is not None
    return task


FAILED = Outcome(TaskState.FAILED, error="no", error_code="odd")


async def test_unknown_task_is_told(tasks: TaskService) -> None:
    with pytest.raises(TaskNotFound, match="no task 't1'"):
        await tasks.show("t1")


async def test_waiting_for_an_unknown_task_is_told(tasks: TaskService) -> None:
    with pytest.raises(TaskNotFound):
        await tasks.wait("t1", 60)


async def test_ended_task_is_shown_without_waiting(
    tasks: TaskService, store: SQLiteTaskStore
) -> None:
    await store.finish(await claimed(store), FAILED, 2500.0)
    with anyio.fail_after(2):
        assert (await tasks.wait("t1", 60)).status is TaskState.FAILED


async def test_wait_ends_with_the_task(
    tasks: TaskService, store: SQLiteTaskStore, ends: TaskEnds
) -> None:
    task = await claimed(store)
    shown: list[TaskState] = []

    async def wait() -> None:
        shown.append((await tasks.wait("t1", 60)).status)

    with anyio.fail_after(2):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await store.finish(task, FAILED, 2500.0)
            ends.announce("t1")
    assert shown == [TaskState.FAILED]


async def test_wait_that_is_over_shows_the_task_as_it_stands(
    tasks: TaskService, store: SQLiteTaskStore
) -> None:
    await claimed(store)
    assert (await tasks.wait("t1", 0.01)).status is TaskState.RUNNING
