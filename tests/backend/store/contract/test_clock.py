"""Every task store: a clock that is set back by an hour holds up nothing."""

from backend.store.task_store import TaskStore
from tests.backend.gpu_service import OTHER_URL
from tests.backend.making import claimed, offered, queued
from tests.conditions import eventually


async def test_task_that_waits_to_be_repeated_is_taken_once_the_clock_is_set_back(
    store: TaskStore,
) -> None:
    await queued(store)
    await store.release(await claimed(store, 10_000.0), not_before=10_020.0, spent=True)
    assert await offered(store, 10_001.0) is None
    claim = await eventually(lambda: offered(store, 6400.0))
    assert claim.task.id == "t1"


async def test_hold_is_over_once_the_clock_is_set_back(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store, 10_000.0)
    await store.release(task, not_before=0.0, spent=True, keep_job=True, held_until=10_020.0)
    assert await offered(store, 10_001.0, "j2", OTHER_URL) is None
    claim = await eventually(lambda: offered(store, 6400.0, "j2", OTHER_URL))
    assert claim.task.job_id == "j2"
