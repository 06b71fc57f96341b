"""The file of the keys: nobody is let in where it cannot be read."""

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.access import ApiKey, Scope
from backend.errors import KeysUnusable
from backend.store.sqlite.keys import FILE, SQLiteKeyStore

KEY = ApiKey("key_1", "a client", frozenset({Scope.READ}), 1000.0)


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[SQLiteKeyStore]:
    keys = SQLiteKeyStore(tmp_path)
    yield keys
    await keys.close()


async def test_without_a_key_there_is_no_file(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    assert not await keys.exist()
    assert not (tmp_path / FILE).exists()


async def test_file_is_for_its_owner_alone(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    await keys.add(KEY, "h")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


async def test_damaged_file_lets_nobody_in(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    for asking in (keys.exist(), keys.find("h"), keys.all()):
        with pytest.raises(KeysUnusable, match=r"keys\.sqlite3 cannot be used"):
            await asking


async def test_file_of_a_newer_version_lets_nobody_in(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(KeysUnusable, match="newer version"):
        await keys.exist()


async def test_row_that_cannot_be_read_lets_nobody_in(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    await keys.add(KEY, "h")
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE api_keys SET key = '{}'")
    with pytest.raises(KeysUnusable):
        await keys.find("h")


async def test_file_that_is_gone_lets_nobody_in(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    await keys.add(KEY, "h")
    assert await keys.exist()
    (tmp_path / FILE).unlink()
    with pytest.raises(KeysUnusable, match="is gone"):
        await keys.exist()


async def test_file_that_was_put_in_its_place_is_the_one_that_counts(
    keys: SQLiteKeyStore, tmp_path: Path
) -> None:
    await keys.add(KEY, "h")
    other = SQLiteKeyStore(tmp_path / "other")
    await other.add(KEY, "another")
    await other.close()
    (tmp_path / "other" / FILE).replace(tmp_path / FILE)
    assert (await keys.find("h"), await keys.find("another")) == (None, KEY)


@pytest.mark.parametrize("content", [b"", b"SQLite"], ids=["empty", "cut"])
async def test_file_that_was_never_finished_lets_nobody_in(
    keys: SQLiteKeyStore, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE).write_bytes(content)
    for asking in (keys.exist(), keys.find("h"), keys.all(), keys.add(KEY, "h")):
        with pytest.raises(KeysUnusable):
            await asking
    assert (tmp_path / FILE).read_bytes() == content


async def test_file_without_keys_lets_nobody_in(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    await keys.add(KEY, "h")
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("DELETE FROM api_keys")
    assert await keys.exist()


async def test_making_the_first_key_leaves_one_file(keys: SQLiteKeyStore, tmp_path: Path) -> None:
    await keys.add(KEY, "h")
    assert os.listdir(tmp_path) == [FILE]  # noqa: PTH208
