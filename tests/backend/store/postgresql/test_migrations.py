"""The schema of a PostgreSQL database: made, brought up to date, or refused and left as it is."""

import asyncio

import psycopg
import pytest

from backend.errors import DatabaseUnusable
from backend.store.postgresql.store import PostgreSQLTaskStore
from tests.backend.making import kept, queued
from tests.backend.store.stores import opened
from tests.postgresql_server import PostgreSQLServer


@pytest.fixture
def empty_url(postgresql: PostgreSQLServer) -> str:
    """A database with nothing in it."""
    return postgresql.new_database()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


async def open_and_close(url: str) -> None:
    async with opened(PostgreSQLTaskStore(url, worker=True)):
        pass


async def test_two_processes_make_the_schema_at_once(empty_url: str) -> None:
    await asyncio.gather(open_and_close(empty_url), open_and_close(empty_url))
    async with opened(PostgreSQLTaskStore(empty_url, worker=False)) as store:
        assert (await queued(store)) == await kept(store)


async def test_procrastinate_that_is_there_already_is_shared(empty_url: str) -> None:
    await open_and_close(empty_url)
    for kind, catalogue, name in (
        ("TABLE", "pg_tables WHERE schemaname = 'public'", "tablename"),
        ("FUNCTION", "pg_proc WHERE pronamespace = 'public'::regnamespace", "proname"),
    ):
        drop_all = (
            "DO $$ DECLARE each text; BEGIN FOR each IN SELECT "
            f"{name} FROM {catalogue} AND {name} NOT LIKE 'procrastinate%' "
            f"LOOP EXECUTE 'DROP {kind} ' || each || ' CASCADE'; END LOOP; END $$"
        )
        execute(empty_url, drop_all)
    await open_and_close(empty_url)


async def test_newer_database_is_refused(empty_url: str) -> None:
    await open_and_close(empty_url)
    execute(empty_url, "INSERT INTO gateway_schema VALUES (99)")
    with pytest.raises(DatabaseUnusable, match=r"newer version .*schema 99.*DATABASE_URL"):
        await open_and_close(empty_url)


async def test_procrastinate_of_another_version_is_refused(empty_url: str) -> None:
    await open_and_close(empty_url)
    execute(empty_url, "DROP FUNCTION procrastinate_fetch_job_v2")
    with pytest.raises(DatabaseUnusable, match="procrastinate_fetch_job_v2 not found"):
        await open_and_close(empty_url)


async def test_database_that_cannot_keep_every_text_is_refused(
    postgresql: PostgreSQLServer,
) -> None:
    execute(
        postgresql.url("postgres"),
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    )
    with pytest.raises(DatabaseUnusable, match="ENCODING 'UTF8'"):
        await open_and_close(postgresql.url("latin"))
