"""Every key store; and bounds that hold however many tasks come at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from backend.access import ApiKey, Bounds, Scope
from backend.errors import ConcurrentLimit, DailyLimit
from backend.store.key_store import KeyStore
from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.store.sqlite.keys import SQLiteKeyStore
from backend.store.task_store import TaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.making import a_task, claimed, queued
from tests.backend.store.stores import opened

KEY = ApiKey("key_1", "ü", frozenset({Scope.READ}), 1000.0, 2000.0, None, Bounds(1, 2, 3))
FAILED = Outcome(TaskState.FAILED, error="no", error_code="odd")
DAY = 86400.0

MakeKeys = Callable[[], KeyStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A folder, or the URL of a database."""
    if request.param == "sqlite":
        return tmp_path / "data"
    url: str = request.getfixturevalue("database_url")
    return url


@pytest.fixture
async def make_keys(place: Path | str) -> AsyncIterator[MakeKeys]:
    """The keys as one process, and as another beside it, sees them."""
    async with AsyncExitStack() as stack:
        stores: list[KeyStore] = []
        for _ in range(2):
            if isinstance(place, Path):
                own = SQLiteKeyStore(place)
                stack.push_async_callback(own.close)
                stores.append(own)
            else:
                shared = PostgreSQLTaskStore(place, worker=False)
                stores.append((await stack.enter_async_context(opened(shared))).keys)
        yield stores.pop


async def test_there_are_none_at_first(make_keys: MakeKeys) -> None:
    keys = make_keys()
    assert (await keys.exist(), await keys.all(), await keys.find("h")) == (False, [], None)
    assert not await keys.revoke("key_1", 1.0)


async def test_key_comes_back_as_it_was_to_everybody(make_keys: MakeKeys) -> None:
    mine, another = make_keys(), make_keys()
    await mine.add(KEY, "h")
    for keys in (mine, another):
        assert (await keys.find("h"), await keys.all()) == (KEY, [KEY])
        assert await keys.find("another") is None
        assert await keys.exist()


async def test_key_is_revoked_at_once_for_everybody(make_keys: MakeKeys) -> None:
    mine, another = make_keys(), make_keys()
    await mine.add(KEY, "h")
    assert await another.find("h") == KEY
    assert await mine.revoke("key_1", 1500.0)
    for keys in (another, mine):
        found = await keys.find("h")
        assert found is not None
        assert found.revoked_at == 1500.0
    assert not await another.revoke("key_1", 1600.0)


async def test_last_key_that_was_revoked_opens_no_door(make_keys: MakeKeys) -> None:
    keys = make_keys()
    await keys.add(KEY, "h")
    await keys.revoke("key_1", 1500.0)
    assert await keys.exist()


# bounds


async def test_burst_goes_no_further_than_the_bound(store: TaskStore) -> None:
    tasks = [a_task(f"t{number}", owner="k1") for number in range(20)]
    bounds = Bounds(concurrent_tasks=5)
    answers = await asyncio.gather(
        *(store.add(task, {}, bounds) for task in tasks), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, ConcurrentLimit)]
    assert (len(refused), await store.queued()) == (15, 5)


async def test_running_task_counts_and_an_ended_one_does_not(store: TaskStore) -> None:
    bounds = Bounds(concurrent_tasks=1)
    await queued(store, "t1", owner="k1")
    task = await claimed(store)
    with pytest.raises(ConcurrentLimit, match="1 tasks of this key"):
        await store.add(a_task("t2", owner="k1"), {}, bounds)
    await store.finish(task, FAILED, 2500.0)
    assert (await store.add(a_task("t2", owner="k1"), {}, bounds))[1]


async def test_another_owner_s_tasks_do_not_count(store: TaskStore) -> None:
    await queued(store, "t1", owner="k2")
    await queued(store, "t2", owner=None)
    assert (await store.add(a_task("t3", owner="k1"), {}, Bounds(1, 1, 1)))[1]


async def test_tasks_of_a_day_are_counted_though_they_are_removed(store: TaskStore) -> None:
    bounds = Bounds(tasks_per_day=1)
    await store.add(a_task("t1", owner="k1", created_at=DAY + 1), {}, bounds)
    await store.cancel("t1", DAY + 2)
    await store.remove("t1")
    with pytest.raises(DailyLimit) as refused:
        await store.add(a_task("t2", owner="k1", created_at=2 * DAY - 10), {}, bounds)
    assert refused.value.extra["retry_after"] == 11
    assert (await store.add(a_task("t3", owner="k1", created_at=2 * DAY), {}, bounds))[1]


async def test_same_request_again_is_no_second_task(store: TaskStore) -> None:
    bounds = Bounds(concurrent_tasks=1, tasks_per_day=1)
    first = a_task("t1", owner="k1", idempotency_key="k")
    assert (await store.add(first, {}, bounds))[1]
    again = a_task("t2", owner="k1", idempotency_key="k")
    assert await store.add(again, {}, bounds) == (first, False)


async def test_retry_is_a_task_at_once_too(store: TaskStore) -> None:
    await queued(store, "t1", owner="k1")
    await store.cancel("t1", 2000.0)
    await queued(store, "t2", owner="k1")
    with pytest.raises(ConcurrentLimit):
        await store.retry("t1", 0.0, Bounds(concurrent_tasks=1, tasks_per_day=1))
    assert await store.retry("t1", 0.0, Bounds(concurrent_tasks=2, tasks_per_day=1)) is not None
