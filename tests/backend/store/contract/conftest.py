"""Each test of this folder runs over both stores."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.store.task_store import TaskStore
from tests.backend.store.stores import Process, opened


@pytest.fixture(params=["sqlite", "postgresql"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Process:
    """One process after the other, on the same tasks."""
    if request.param == "postgresql":
        url = request.getfixturevalue("database_url")
        return lambda: opened(PostgreSQLTaskStore(url, worker=True))
    return lambda: opened(SQLiteTaskStore(tmp_path / "data"))


@pytest.fixture
async def store(process: Process) -> AsyncIterator[TaskStore]:
    """The open store of one process."""
    async with process() as store:
        yield store
