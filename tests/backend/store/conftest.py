"""A PostgreSQL server for the stores' tests, with an empty database for each."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from backend.store.postgresql.store import PostgreSQLTaskStore
from tests.postgresql_server import PostgreSQLServer, postgresql_server

EMPTIED = (
    "tasks",
    "owner_usage",
    "api_keys",
    "task_events",
    "task_previews",
    "procrastinate_jobs",
    "procrastinate_workers",
)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """One server for all; a test that stops it starts it again."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def only_database(postgresql: PostgreSQLServer) -> str:
    """A database with the schema; to make one for each test would take longer than the tests."""
    url = postgresql.new_database()
    asyncio.run(_make_schema(url))
    return url


@pytest.fixture
def database_url(only_database: str) -> str:
    """A database with the schema and nothing else."""
    with psycopg.connect(only_database) as connection:
        for table in EMPTIED:
            connection.execute(f"DELETE FROM {table}".encode())
    return only_database


async def _make_schema(url: str) -> None:
    store = PostgreSQLTaskStore(url, worker=False)
    await store.open()
    await store.close()
