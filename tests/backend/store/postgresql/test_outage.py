"""The task store on PostgreSQL: connections that break off, and a server that goes and comes."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator

import pytest

from backend.errors import StorageUnavailable
from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.making import PARAMS, a_task, claimed, kept, offered, queued
from tests.backend.store.postgresql.cutting_proxy import CuttingProxy, cutting_proxy
from tests.backend.store.stores import opened
from tests.conditions import eventually
from tests.postgresql_server import PostgreSQLServer

DONE = Outcome(TaskState.DONE)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgreSQLTaskStore]:
    """A worker's store, which is impatient."""
    fresh = PostgreSQLTaskStore(database_url, worker=True, heartbeat=0.1, stalled_after=1.0)
    async with opened(fresh) as store:
        yield store


@pytest.fixture
async def proxy(postgresql: PostgreSQLServer) -> AsyncIterator[tuple[CuttingProxy, int]]:
    """A way to the server that can be cut."""
    async with cutting_proxy(postgresql.port) as proxy:
        yield proxy


@pytest.fixture
async def cut_store(
    database_url: str, postgresql: PostgreSQLServer, proxy: tuple[CuttingProxy, int]
) -> AsyncIterator[PostgreSQLTaskStore]:
    """A worker's store behind it."""
    url = database_url.replace(f":{postgresql.port}/", f":{proxy[1]}/")
    async with opened(PostgreSQLTaskStore(url, worker=True)) as store:
        yield store


async def test_task_whose_commit_was_not_answered_is_new_and_there_once(
    cut_store: PostgreSQLTaskStore, proxy: tuple[CuttingProxy, int]
) -> None:
    proxy[0].cut_at = b"COMMIT"
    assert await cut_store.add(a_task(), PARAMS) == (a_task(), True)
    assert proxy[0].cuts == 1
    assert await cut_store.queued() == 1


async def test_result_whose_commit_was_not_answered_counts(
    cut_store: PostgreSQLTaskStore, proxy: tuple[CuttingProxy, int]
) -> None:
    await queued(cut_store)
    task = await claimed(cut_store)
    proxy[0].cut_at = b"UPDATE tasks SET state"
    assert await cut_store.finish(task, DONE, 2500.0)
    assert proxy[0].cuts == 1
    assert len(await cut_store.events("t1")) == 3


async def test_two_tasks_do_not_share_a_job_though_a_commit_was_not_answered(
    cut_store: PostgreSQLTaskStore, proxy: tuple[CuttingProxy, int]
) -> None:
    await queued(cut_store, "t1")
    await queued(cut_store, "t2")
    proxy[0].cut_at = b"COMMIT"
    claim = await offered(cut_store)
    assert claim is not None
    jobs = {(await kept(cut_store, name)).job_id for name in ("t1", "t2")}
    assert len(jobs) == 2
    [found] = await cut_store.recover(5, 2100.0, 0.0)
    assert {found.id, claim.task.id} == {"t1", "t2"}
    assert await cut_store.is_current(claim.task)


async def test_second_try_of_a_release_does_not_undo_the_next_claim(
    cut_store: PostgreSQLTaskStore,
) -> None:
    await queued(cut_store)
    first = await claimed(cut_store, 2000.0)
    assert await cut_store.release(first, not_before=0.0, spent=False, keep_job=True)
    second = await claimed(cut_store, 2200.0)
    assert (second.attempt, second.job_id) == (first.attempt, first.job_id)
    assert not await cut_store.release(first, not_before=0.0, spent=False, keep_job=True)
    assert await cut_store.is_current(second)


async def test_claim_whose_commit_was_not_answered_is_found_and_run(
    cut_store: PostgreSQLTaskStore, proxy: tuple[CuttingProxy, int]
) -> None:
    await queued(cut_store)
    proxy[0].cut_at = b"COMMIT"
    assert await offered(cut_store) is None
    assert (await kept(cut_store)).state is TaskState.RUNNING
    [task] = await cut_store.recover(5, 2100.0, 2100.0)
    assert (task.id, task.state) == ("t1", TaskState.QUEUED)
    assert await cut_store.finish(await claimed(cut_store, 2200.0), DONE, 2500.0)


async def test_nothing_that_was_answered_is_lost_when_the_server_falls(
    store: PostgreSQLTaskStore, postgresql: PostgreSQLServer
) -> None:
    answered: list[str] = []

    async def send(number: int) -> None:
        """Until so many were answered, however long the server is away."""
        left, tries = 40, itertools.count()
        while left:
            task_id = f"t{number}-{next(tries)}"
            try:
                await queued(store, task_id)
            except StorageUnavailable:
                continue
            answered.append(task_id)
            left -= 1

    sending = asyncio.gather(*(send(number) for number in range(8)))
    await eventually(lambda: len(answered) > 20)
    await asyncio.to_thread(postgresql.restart)
    await asyncio.wait_for(sending, 60)
    for task_id in answered:
        assert (await kept(store, task_id)).state is TaskState.QUEUED
    claims = [await offered(store, job_id=f"j{number}") for number in range(len(answered))]
    assert {claim.task.id for claim in claims if claim is not None} >= set(answered)


async def test_outage_is_told_once_without_the_password_and_ends_by_itself(
    store: PostgreSQLTaskStore, postgresql: PostgreSQLServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await queued(store)
    task = await claimed(store)
    postgresql.stop("immediate")
    try:
        with pytest.raises(StorageUnavailable, match="does not answer") as caught:
            await store.finish(task, DONE, 2500.0)
        assert "secret" not in caught.value.message + caplog.text
    finally:
        postgresql.start()
    # It was away for longer than a worker may be silent: that is nobody's fault.
    assert await store.recover(1, 2500.0, 2500.0) == []
    assert await store.finish(task, DONE, 2501.0)
    await eventually(lambda: "Listening to the task database again" in caplog.text)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert sum("does not answer" in line for line in told) == 1
    assert sum("is back" in line for line in told) == 1
