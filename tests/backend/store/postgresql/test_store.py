"""The task store on PostgreSQL: many processes on one database, and what it tells of errors."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from backend.errors import DatabaseUnusable, StorageFull, StorageUnavailable
from backend.store.postgresql.deliveries import priority_of, queue_of, queue_of_service
from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.making import a_task, claimed, kept, offered, queued, taken
from tests.backend.store.stores import opened
from tests.conditions import eventually
from tests.postgresql_server import PostgreSQLServer

DONE = Outcome(TaskState.DONE)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgreSQLTaskStore]:
    """A worker's store."""
    async with opened(PostgreSQLTaskStore(database_url, worker=True)) as store:
        yield store


@pytest.fixture
async def backend(database_url: str) -> AsyncIterator[PostgreSQLTaskStore]:
    """A backend's store on the same database."""
    async with opened(PostgreSQLTaskStore(database_url, worker=False)) as store:
        yield store


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_task_of_a_backend_is_run_by_a_worker(
    store: PostgreSQLTaskStore, backend: PostgreSQLTaskStore
) -> None:
    await queued(backend)
    assert await store.finish(await claimed(store), DONE, 2500.0)
    assert (await kept(backend)).state is TaskState.DONE


async def test_backend_that_is_no_worker_claims_nothing(backend: PostgreSQLTaskStore) -> None:
    with pytest.raises(RuntimeError, match="only a worker claims"):
        await offered(backend)


async def test_each_task_is_given_to_one_of_two_workers(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    names = {f"t{number}" for number in range(40)}
    for name in names:
        await queued(store, name)
    async with opened(PostgreSQLTaskStore(database_url, worker=True)) as other:
        claims = await asyncio.gather(*(offered((store, other)[n % 2]) for n in range(60)))
    given = [claim.task.id for claim in claims if claim is not None]
    assert sorted(given) == sorted(names)


async def test_task_of_a_kind_that_is_new_to_a_worker_is_taken_at_once(
    store: PostgreSQLTaskStore, backend: PostgreSQLTaskStore
) -> None:
    assert await offered(store) is None
    woken = asyncio.Event()
    store.on_queued = woken.set
    await queued(backend, workflow="never seen before")
    await asyncio.wait_for(woken.wait(), 5)
    assert (await claimed(store)).workflow == "never seen before"


async def test_ended_task_leaves_no_delivery(store: PostgreSQLTaskStore, database_url: str) -> None:
    for name in ("done", "cancelled", "expired"):
        await queued(store, name, deadline=2600.0 if name == "expired" else None)
    await store.finish(await claimed(store), DONE, 2500.0)
    await store.cancel("cancelled", 2500.0)
    await store.expire(2600.0)
    assert count(database_url, "procrastinate_jobs") == 0


async def test_delivery_is_thrown_away_with_the_task_that_was_not_new(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store, idempotency_key="k")
    await store.add(a_task("t2", idempotency_key="k"), {})
    assert count(database_url, "procrastinate_jobs") == 1


async def test_delivery_that_brings_nothing_lets_the_next_pass(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store, "ended")
    await queued(store, "waits")
    execute(database_url, "UPDATE tasks SET state = 'done' WHERE id = 'ended'")
    assert (await claimed(store)).id == "waits"


async def test_held_task_is_had_by_its_service_by_way_of_its_own_queue(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store)
    task = await claimed(store)
    await store.release(task, not_before=0.0, spent=False, keep_job=True, held_until=2100.0)
    assert count(database_url, "procrastinate_jobs") == 2
    assert (await taken(store, 2050.0, "new")).resume


async def test_second_result_of_an_attempt_that_is_the_same_counts_as_the_first(
    store: PostgreSQLTaskStore,
) -> None:
    """An answer may be lost on its way: who asks again is told what has become of it."""
    await queued(store)
    task = await claimed(store)
    assert await store.finish(task, DONE, 2500.0)
    assert await store.finish(task, DONE, 2501.0)
    assert len(await store.events("t1")) == 3
    assert (await kept(store)).finished_at == 2500.0


@pytest.mark.parametrize("text", ["a\x00b", "a\udcffb"], ids=["NUL", "surrogate"])
async def test_no_task_has_an_id_that_cannot_be_kept(store: PostgreSQLTaskStore, text: str) -> None:
    assert await store.get(text) is None
    assert await store.by_key(text, None) is None
    assert await store.cancel(text, 2500.0) is None


async def test_write_is_done_though_its_caller_is_cancelled(store: PostgreSQLTaskStore) -> None:
    await queued(store)
    finishing = asyncio.create_task(store.finish(await claimed(store), DONE, 2500.0))
    await asyncio.sleep(0)
    finishing.cancel()
    await asyncio.gather(finishing, return_exceptions=True)

    async def state() -> bool:
        return (await kept(store)).state is TaskState.DONE

    await eventually(state)


async def test_full_disk_is_told_and_loses_nothing(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store, "before")
    execute(
        database_url,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        " CREATE TRIGGER full_disk BEFORE INSERT ON tasks EXECUTE FUNCTION full_disk()",
    )
    try:
        with pytest.raises(StorageFull, match="free room"):
            await store.add(a_task("during"), {})
    finally:
        execute(database_url, "DROP FUNCTION full_disk CASCADE")
    assert await store.get("during") is None
    assert (await claimed(store)).id == "before"


async def test_database_that_is_not_there_is_told_without_the_password(
    postgresql: PostgreSQLServer,
) -> None:
    with pytest.raises(StorageUnavailable, match="does not exist") as caught:
        await PostgreSQLTaskStore(postgresql.url("nowhere"), worker=False).open()
    assert "secret" not in caught.value.message


async def test_url_that_is_none_is_told_without_the_password() -> None:
    with pytest.raises(DatabaseUnusable, match="DATABASE_URL") as caught:
        PostgreSQLTaskStore("postgresql://gateway:se cret@host:port:9/?what", worker=False)
    assert "cret" not in caught.value.message


def test_channel_of_a_queue_is_never_too_long() -> None:
    for name in (
        queue_of("w" * 300, {"model": "m" * 300}),
        queue_of_service("http://" + "h" * 300),
    ):
        assert len(f"procrastinate_queue_v1#{name}") <= 63


def test_equal_needs_wait_in_one_queue() -> None:
    assert queue_of("w", {"a": 1, "b": 2}) == queue_of("w", {"b": 2, "a": 1})


@pytest.mark.parametrize("rank", [-1e300, 0.0, 1.75e9, 1e300])
def test_priority_of_any_rank_can_be_kept(rank: float) -> None:
    assert -(2**31) < priority_of(rank) < 2**31 - 1


def test_lower_rank_has_the_higher_priority() -> None:
    assert priority_of(1.8e9) > priority_of(1.8e9 + 1)
