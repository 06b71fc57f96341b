"""Reading tasks, and waiting for them."""

import asyncio
import time

import anyio
import pytest

from backend.access import EVERYBODY
from backend.errors import TaskNotFound
from backend.services.estimates import Estimates
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.task_display import TaskDisplay
from backend.services.tasks import TaskService
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskFilter, TaskState
from tests.backend.making import claimed, queued


@pytest.fixture
def tasks(
    store: SQLiteTaskStore, outputs: LocalOutputStore, live: LiveHub, services: GPUServices
) -> TaskService:
    return TaskService(
        store,
        outputs,
        live,
        services,
        TaskDisplay(store, outputs, live, Estimates(store, services.answering)),
    )


async def running(store: SQLiteTaskStore) -> Task:
    await queued(store)
    return await claimed(store)


DONE = Outcome(TaskState.DONE)
FAILED = Outcome(TaskState.FAILED, error="no", error_code="odd")


async def test_unknown_task_is_told(tasks: TaskService) -> None:
    with pytest.raises(TaskNotFound, match="no task 't1'"):
        await tasks.show("t1", EVERYBODY)


async def test_waiting_for_an_unknown_task_is_told(tasks: TaskService) -> None:
    with pytest.raises(TaskNotFound):
        await tasks.wait("t1", 60, EVERYBODY)


async def test_ended_task_is_shown_without_waiting(
    tasks: TaskService, store: SQLiteTaskStore
) -> None:
    await store.finish(await running(store), FAILED, 2500.0)
    with anyio.fail_after(2):
        assert (await tasks.wait("t1", 60, EVERYBODY)).status is TaskState.FAILED


async def test_wait_ends_with_the_task(
    tasks: TaskService, store: SQLiteTaskStore, live: LiveHub
) -> None:
    task = await running(store)
    shown: list[TaskState] = []

    async def wait() -> None:
        shown.append((await tasks.wait("t1", 60, EVERYBODY)).status)

    with anyio.fail_after(2):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await store.finish(task, FAILED, 2500.0)
            live.changed("t1", ended=True)
    assert shown == [TaskState.FAILED]


async def test_wait_goes_on_where_a_look_shows_no_end(
    tasks: TaskService, store: SQLiteTaskStore, live: LiveHub
) -> None:
    task = await running(store)
    with anyio.fail_after(5):
        waiting = asyncio.create_task(tasks.wait("t1", 60, EVERYBODY))
        for _ in range(3):
            await anyio.wait_all_tasks_blocked()
            live.wake_all()
        await anyio.wait_all_tasks_blocked()
        assert not waiting.done()
        await store.finish(task, FAILED, 2500.0)
        live.wake_all()
        assert (await waiting).status is TaskState.FAILED


async def test_wait_that_is_over_shows_the_task_as_it_stands(
    tasks: TaskService, store: SQLiteTaskStore
) -> None:
    await running(store)
    assert (await tasks.wait("t1", 0.01, EVERYBODY)).status is TaskState.RUNNING


async def test_list_tells_how_long_each_that_runs_will_take(
    tasks: TaskService, store: SQLiteTaskStore
) -> None:
    start = time.time()
    await queued(store, "ended")
    await store.finish(await claimed(store, start - 1000.0, "j0"), DONE, start)
    for number in range(2):
        await queued(store, f"t{number}")
        await claimed(store, start + number, f"j{number + 1}")
    await queued(store, "waits")
    page = await tasks.newest(TaskFilter(), None, 10, EVERYBODY)
    told = [shown.estimated_seconds for shown in page.tasks]
    assert told == [None, pytest.approx(2000.0, abs=60), pytest.approx(1000.0, abs=60), None]
