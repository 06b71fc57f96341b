"""The task store on PostgreSQL: workers that are killed, or stand still, and what is put right."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.making import claimed, kept, offered, queued, taken
from tests.backend.store.postgresql.worker_program import HEARTBEAT, STALLED_AFTER
from tests.backend.store.stores import opened
from tests.conditions import eventually

ROOT = Path(__file__).resolve().parents[4]
DONE = Outcome(TaskState.DONE)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgreSQLTaskStore]:
    """A worker's store."""
    fresh = PostgreSQLTaskStore(
        database_url, worker=True, heartbeat=HEARTBEAT, stalled_after=STALLED_AFTER
    )
    async with opened(fresh) as store:
        yield store


@contextmanager
def worker_process(url: str) -> Iterator["subprocess.Popen[str]"]:
    """Another worker, which has claimed the only task."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.backend.store.postgresql.worker_program", url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "t1\n"
            yield process
        finally:
            process.kill()


async def recovered(store: PostgreSQLTaskStore) -> list[Task]:
    """What the store queues again, as soon as it finds that nobody runs it."""
    tasks: list[Task] = await eventually(lambda: store.recover(5, 2100.0, 2200.0), seconds=10)
    return tasks


async def test_task_of_a_killed_worker_is_run_by_another(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store)
    with worker_process(database_url) as process:
        process.kill()
        [task] = await recovered(store)
    assert (task.state, task.attempt, task.job_id) == (TaskState.QUEUED, 1, "of the process")
    claim = await taken(store, 2150.0, "new")
    assert (claim.resume, claim.task.attempt, claim.task.job_id) == (True, 2, "of the process")


async def test_task_of_a_worker_that_lives_stays_with_it(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store)
    with worker_process(database_url) as process:
        for _ in range(20):
            assert await store.recover(5, 2100.0, 2200.0) == []
            await asyncio.sleep(HEARTBEAT)
        out, _ = process.communicate("\n", timeout=10)
    assert out == "True\n"


async def test_result_of_a_worker_that_stood_still_is_recorded_once(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store)
    with worker_process(database_url) as process:
        process.send_signal(signal.SIGSTOP)
        await recovered(store)
        assert await store.finish(await claimed(store, 2150.0), DONE, 2160.0)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate("\n", timeout=10)
    assert out == "False\n"
    assert [event.state for event in await store.events("t1")].count(TaskState.DONE) == 1
    assert (await kept(store)).finished_at == 2160.0


async def test_worker_that_was_taken_for_dead_works_on(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM procrastinate_workers")
    await queued(store)
    assert await store.finish(await claimed(store), DONE, 2500.0)


async def test_several_may_recover_at_once(store: PostgreSQLTaskStore, database_url: str) -> None:
    async with opened(PostgreSQLTaskStore(database_url, worker=True)) as before:
        for number in range(10):
            await queued(before, f"t{number}")
            await claimed(before)
    found = await asyncio.gather(*(store.recover(5, 2100.0, 2100.0) for _ in range(5)))
    names = [task.id for tasks in found for task in tasks]
    assert sorted(names) == [f"t{number}" for number in range(10)]


async def test_claim_that_nobody_waited_for_is_found(store: PostgreSQLTaskStore) -> None:
    await queued(store)
    claiming = asyncio.create_task(offered(store))
    await asyncio.sleep(0)
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    [task] = await recovered(store)
    assert task.state is TaskState.QUEUED


async def test_task_without_a_delivery_gets_one(
    store: PostgreSQLTaskStore, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await queued(store)
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM procrastinate_jobs")
    await store.recover(5, 2100.0, 2100.0)
    assert (await claimed(store)).id == "t1"
    assert "1 queued tasks had no delivery" in caplog.text


async def test_deliveries_that_bring_nothing_are_removed(
    store: PostgreSQLTaskStore, database_url: str
) -> None:
    await queued(store, "waits")
    with psycopg.connect(database_url) as connection:
        for status in ("todo", "succeeded"):
            connection.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
                " VALUES ('q', 'gateway.task', '{\"task_id\": \"gone\"}', %s)",
                (status,),
            )
    await store.recover(5, 2100.0, 2100.0)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT args ->> 'task_id' FROM procrastinate_jobs").fetchall()
    assert rows == [("waits",)]
