"""API keys in a SQLite file of their own: the command line writes it while the backend reads it.

The tasks' file has one owner. This one has several, so it has no WAL (which several connections
can damage before SQLite 3.51.3) but the rollback journal.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from backend.access import ApiKey
from backend.errors import KeysUnusable
from backend.store.key_store import key_of, text_of

T = TypeVar("T")

FILE = "keys.sqlite3"
VERSION = 1
SCHEMA = """
    CREATE TABLE api_keys (
        seq  INTEGER PRIMARY KEY AUTOINCREMENT,
        id   TEXT NOT NULL UNIQUE,
        hash TEXT NOT NULL UNIQUE,
        key  TEXT NOT NULL          -- all else of it, as JSON
    ) STRICT
"""
BUSY_SECONDS = 5.0


class SQLiteKeyStore:
    """The keys of a data folder. Where nobody has ever made one, there is no file either."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-store")
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._seen = False
        """Whether there has been one: then a file that is gone lets nobody in."""
        self._version = -1
        self._keys: dict[str, ApiKey] = {}

    async def exist(self) -> bool:
        """Where there is a file, there are keys: an empty one lets nobody in."""
        if self._is_missing():
            return False
        await self._run(self._look)
        self._seen = True
        return True

    async def find(self, digest: str) -> ApiKey | None:
        if self._is_missing():
            return None
        await self._run(self._look)
        return self._keys.get(digest)

    async def add(self, key: ApiKey, digest: str) -> None:
        await self._run(self._add, key, digest)

    async def all(self) -> list[ApiKey]:
        if not self._is_missing():
            await self._run(self._look)
        return list(self._keys.values())

    async def revoke(self, key_id: str, now: float) -> bool:
        return not self._is_missing() and await self._run(self._revoke, key_id, now)

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown()

    def _is_missing(self) -> bool:
        """One look at the folder: this is all that it costs where there are no keys."""
        try:
            os.stat(self._path)  # noqa: PTH116 - the quicker one, at each request
        except FileNotFoundError as exc:
            if self._seen:
                raise KeysUnusable(f"{self._path} is gone. Put it back: it says who may.") from exc
            return True
        except OSError as exc:
            raise KeysUnusable(f"{self._path} cannot be read: {exc}.") from exc
        return False

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, function, *args)
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as exc:
            raise KeysUnusable(
                f"{self._path} cannot be used: {exc}. Nobody is let in: repair it, put a backup in "
                "its place, or move it away and make new keys."
            ) from exc

    def _connected(self) -> sqlite3.Connection:
        """To the file that is there now: somebody may have put another in its place."""
        if self._db is not None and os.stat(self._path).st_ino == self._inode:  # noqa: PTH116
            return self._db
        self._close()
        db = _connection(self._path)
        try:
            _check(db)
        except BaseException:
            db.close()
            raise
        self._db, self._version = db, -1
        self._inode = os.stat(self._path).st_ino  # noqa: PTH116
        return db

    def _look(self) -> None:
        """Read the keys again where anybody has written the file."""
        db = self._connected()
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            rows = db.execute("SELECT id, hash, key FROM api_keys ORDER BY seq").fetchall()
            self._keys = {digest: key_of(key_id, text) for key_id, digest, text in rows}
            self._version = version

    def _add(self, key: ApiKey, digest: str) -> None:
        if not self._path.exists():
            _make(self._path)
        row = (key.id, digest, text_of(key))
        self._connected().execute("INSERT INTO api_keys (id, hash, key) VALUES (?, ?, ?)", row)
        self._version = -1  # Our own writing is no news to our connection.

    def _revoke(self, key_id: str, now: float) -> bool:
        db = self._connected()
        row = db.execute("SELECT key FROM api_keys WHERE id = ?", (key_id,)).fetchone()
        key = key_of(key_id, row[0]) if row else None
        if key is None or key.revoked_at is not None:
            return False
        text = text_of(replace(key, revoked_at=now))
        db.execute("UPDATE api_keys SET key = ? WHERE id = ?", (text, key_id))
        self._version = -1
        return True

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None


def _connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _check(db: sqlite3.Connection) -> None:
    """Raise ValueError, sqlite3.Error unless it is a file of keys."""
    db.execute("PRAGMA synchronous=FULL")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ValueError("a newer version of this program made it")
    if version == 0:
        raise ValueError("it is empty, or was never finished")


def _make(path: Path) -> None:
    """Make the file, whole from the first moment that it can be seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        with closing(_connection(new)) as db:
            db.executescript(f"BEGIN; {SCHEMA}; PRAGMA user_version={VERSION}; COMMIT")
        with suppress(FileExistsError):  # Somebody else has made it meanwhile.
            os.link(new, path)
    finally:
        new.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # A file that is lost would let everybody in.
    finally:
        os.close(folder)
