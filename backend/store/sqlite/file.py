"""The SQLite file of a data folder: locked, sound, and of this version's schema."""

import fcntl
import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from backend.errors import DatabaseUnusable, DataFolderInUse, StorageUnavailable

SCHEMA = Path(__file__).with_name("schema")
STEPS = sorted(SCHEMA.glob("*.sql"), key=lambda step: int(step.stem))
DATABASE = "tasks.sqlite3"
LOCK = "backend.lock"
DAMAGED = ("malformed", "not a database")
"""Words of SQLITE_CORRUPT and SQLITE_NOTADB: Python has their numbers from 3.11 on."""
NOT_OURS = ("readonly", "unable to open")
"""Words of SQLITE_READONLY and SQLITE_CANTOPEN."""
USER_VERSION = slice(60, 64)
"""Where in the file the version of its schema is."""
RESTORE = (
    "Nothing has been changed. Stop the backend, put a backup in its place, or move the file away "
    "to begin with no tasks."
)


class DataFolder:
    """Owned by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = -1

    def open(self) -> sqlite3.Connection:
        """Take the folder, and open its database; both are made where there is none.

        Raises DataFolderInUse, DatabaseUnusable, StorageUnavailable, and sqlite3.Error.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            raise _unwritable(exc) from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._connected()
        except BlockingIOError as exc:
            self.close()
            raise DataFolderInUse(
                f"Another backend uses {self._folder}. Stop it, or set another DATA_PATH."
            ) from exc
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._lock)

    def check(self) -> None:
        """Refuse what `open` would, as far as it shows while another process has the folder.

        Nothing is locked, made or changed. Raises DatabaseUnusable, StorageUnavailable.
        """
        path = self._folder / DATABASE
        try:
            tempfile.TemporaryFile(dir=_existing(self._folder)).close()
            for file in (self._folder / LOCK, path):
                with suppress(FileNotFoundError):
                    os.close(os.open(file, os.O_RDWR))
            version = _version_in(path)
        except OSError as exc:
            raise _unwritable(exc) from exc
        _refuse_a_newer(path, version)

    def _connected(self) -> sqlite3.Connection:
        path = self._folder / DATABASE
        try:
            if path.exists():
                self._refuse_an_emptied(path)
                _look(path)
            return _opened(path)
        except sqlite3.Error as exc:
            if any(words in str(exc) for words in DAMAGED):
                raise DatabaseUnusable(f"{path} is damaged: {exc}. {RESTORE}") from exc
            if any(words in str(exc) for words in NOT_OURS):
                raise StorageUnavailable(
                    f"{path} cannot be written: {exc}. Set another DATA_PATH, or its rights."
                ) from exc
            raise

    def _refuse_an_emptied(self, path: Path) -> None:
        """A file cut to nothing would be taken for a new one, and its tasks forgotten."""
        if path.stat().st_size == 0 and (self._folder / "outputs").is_dir():
            raise DatabaseUnusable(f"{path} is empty, and there are outputs beside it. {RESTORE}")


def _unwritable(exc: OSError) -> StorageUnavailable:
    return StorageUnavailable(
        f"The data folder cannot be written: {exc}. Set another DATA_PATH, or its rights."
    )


def _existing(path: Path) -> Path:
    """The folder itself, or where it would be made."""
    while not path.exists():
        path = path.parent
    return path


def _version_in(path: Path) -> int:
    """The version in the file itself; SQLite may not read it while who has it locks it."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return int.from_bytes(file.read(USER_VERSION.stop)[USER_VERSION], "big")


def _refuse_a_newer(path: Path, version: int) -> None:
    if version > len(STEPS):
        raise DatabaseUnusable(
            f"{path} was made by a newer version of this program (schema {version}, this one "
            f"knows {len(STEPS)}). Nothing has been changed: start that version, or set "
            "another DATA_PATH."
        )


def _look(path: Path) -> None:
    """Refuse what is damaged, or newer than we are; only reads, so that it stays as it is."""
    killed = path.with_name(f"{DATABASE}-wal").exists()  # Who closes it takes that away.
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        _refuse_a_newer(path, db.execute("PRAGMA user_version").fetchone()[0])
        if killed and (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise DatabaseUnusable(f"{path} is damaged: {found}. {RESTORE}")


def _opened(path: Path) -> sqlite3.Connection:
    # No implicit transactions: each statement is one, or says BEGIN itself.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            db.execute(f"PRAGMA {pragma}")
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection) -> None:
    """Each step is one transaction, and brings the schema one version on."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for step in STEPS[version:]:
        db.executescript(f"BEGIN;{step.read_text()}PRAGMA user_version={step.stem};COMMIT;")
    if version < len(STEPS):
        # Into the file itself, where `check` reads the version.
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
