"""A data folder that cannot be written."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.errors import StorageUnavailable
from backend.store.sqlite.file import DATABASE, LOCK, SCHEMA
from backend.store.sqlite.store import SQLiteTaskStore


async def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable) as caught:
        await SQLiteTaskStore(tmp_path / "file" / "data").open()
    assert "The data folder cannot be written" in caught.value.message
    assert "Set another DATA_PATH, or its rights" in caught.value.message
    assert str(tmp_path / "file") in caught.value.message


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from backend.errors import BackendError
from backend.store.sqlite.store import SQLiteTaskStore

if os.getuid() == 0:
    os.setuid(65534)  # Root may write anywhere.
try:
    asyncio.run(SQLiteTaskStore(Path(sys.argv[1])).open())
except BackendError as error:
    print(f"{type(error).__name__}: {error.message}")
"""


def opened_without_rights(folder: Path) -> str:
    """What somebody who may only read the folder is told."""
    root = Path(__file__).resolve().parents[4]
    ran = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(folder)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return ran.stdout


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with a database, outside of those that only we may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(sqlite3.connect(folder / DATABASE)) as db:
            db.executescript((SCHEMA / "1.sql").read_text() + "PRAGMA user_version=1;")
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_read_only_folder_is_told(read_only: Path) -> None:
    told = opened_without_rights(read_only)
    assert told.startswith("StorageUnavailable: The data folder cannot be written")
    assert str(read_only / LOCK) in told


def test_read_only_database_is_told(read_only: Path) -> None:
    read_only.chmod(0o755)
    (read_only / LOCK).touch()
    (read_only / LOCK).chmod(0o666)
    (read_only / DATABASE).chmod(0o444)
    read_only.chmod(0o555)
    told = opened_without_rights(read_only)
    assert told.startswith(f"StorageUnavailable: {read_only / DATABASE} cannot be written: ")
    assert "Set another DATA_PATH, or its rights" in told
