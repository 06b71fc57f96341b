"""One PostgreSQL database and our connections to it: bounded waits, and errors of ours."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from backend.errors import (
    BackendError,
    DatabaseUnusable,
    StorageFull,
    StorageUnavailable,
)

T = TypeVar("T")
Connection = psycopg.AsyncConnection[DictRow]

log = logging.getLogger(__name__)

POOL_SECONDS = 5.0
"""To get a connection, before a caller is told that the database is not there."""
RECONNECT_SECONDS = 3.0
"""That the pool tries by itself. After that it does when it is asked: no pause ever gets long."""
CLOSE_SECONDS = 5.0
CONNECTING: dict[str, Any] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # Milliseconds; where the network swallows everything.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "client_encoding": "utf8",
    "application_name": "comfyui-gateway",
}
"""What the URL does not say itself."""
SESSION = """
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '10s';
    SET lock_timeout = '10s';
    SET synchronous_commit = on;
"""
"""A process that stands still in a transaction loses it, and so holds up nobody else."""
NAMES = ("host", "port", "dbname")
"""Parts of a URL that a password runs into whose marks are not escaped."""


class Database:
    """Open from `open` to `close`; an outage in between ends by itself."""

    def __init__(self, url: str, max_connections: int) -> None:
        self._given = _parsed(url)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs={**CONNECTING, **self._given, "row_factory": dict_row},
            min_size=1,
            max_size=max_connections,
            timeout=POOL_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=_configure,
            open=False,
        )
        self._doing: set[asyncio.Future[Any]] = set()
        self._drained = time.monotonic()
        self._away = False
        self.answering_since = float("-inf")
        """On the monotonic clock: when the last outage that this process saw has ended."""

    @property
    def name(self) -> str:
        """For messages: no password is in it."""
        host, port = self._given.get("host", "localhost"), self._given.get("port", 5432)
        return f"PostgreSQL at {host}:{port}/{self._given.get('dbname', '')}"

    async def connect(self) -> Connection:
        """A connection beside the pool. Raises psycopg.Error."""
        connection: Connection = await psycopg.AsyncConnection.connect(
            **{**CONNECTING, **self._given}, row_factory=dict_row, autocommit=True
        )
        return connection

    async def open(self, prepare: Callable[[Connection], Awaitable[None]]) -> None:
        """Let `prepare` look at the database, then keep connections to it.

        Raises StorageUnavailable, StorageFull, and what `prepare` does.
        """
        try:
            async with await self.connect() as connection:
                await prepare(connection)
        except psycopg.Error as exc:
            raise self._translated(exc) from exc
        # It tells each try in an outage; the outage and its end are told here, once.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        await self._pool.open()

    async def close(self) -> None:
        """Finish what has been asked for, and let go of the connections."""
        await asyncio.gather(*self._doing, return_exceptions=True)
        await self._pool.close(CLOSE_SECONDS)

    async def run(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """What `work` does on a connection: one statement, or a few that each stand alone.

        It is synced to disk when this returns, and is done even where the caller is cancelled.
        Where a connection is lost, it is done again on another: `work` may come twice. Raises
        StorageFull, StorageUnavailable.
        """
        doing = asyncio.ensure_future(self._repeated(lambda connection: work(connection, *args)))
        self._doing.add(doing)
        doing.add_done_callback(self._forget)
        return await asyncio.shield(doing)

    async def transact(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """As `run`, in one transaction."""

        async def transaction(connection: Connection) -> T:
            async with connection.transaction():
                return await work(connection, *args)

        return await self.run(transaction)

    async def _repeated(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        began = time.monotonic()
        try:
            return await self._once(work)
        except _ConnectionLost:
            # The others are as old, and have mostly been lost with it.
            if began >= self._drained:
                self._drained = time.monotonic()
                await self._pool.drain()
        try:
            return await self._once(work)
        except _ConnectionLost as exc:
            raise self._outage(str(exc)) from exc

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection: Connection | None = None
        try:
            async with self._pool.connection() as connection:
                result = await work(connection)
        except (psycopg.Error, ConnectorException) as exc:
            if connection is None:
                raise self._outage(str(exc)) from exc
            if connection.closed:
                raise _ConnectionLost(_told(exc)) from exc
            raise self._translated(exc) from exc
        if self._away:
            self._away, self.answering_since = False, time.monotonic()
            log.info("The task database is back: %s", self.name)
        return result

    def _outage(self, reason: str) -> StorageUnavailable:
        if not self._away:
            self._away = True
            log.error("The task database does not answer: %s: %s", self.name, reason)
        self.answering_since = time.monotonic()
        return StorageUnavailable(f"The task database does not answer: {self.name}: {reason}.")

    def _translated(self, exc: Exception) -> BackendError:
        cause = exc.__cause__ if isinstance(exc, ConnectorException) else exc
        if isinstance(cause, psycopg.errors.DiskFull):
            return StorageFull(f"The disk of the task database is full: free room on {self.name}.")
        return StorageUnavailable(f"The task database cannot be used: {self.name}: {_told(exc)}.")

    def _forget(self, doing: "asyncio.Future[Any]") -> None:
        self._doing.discard(doing)
        if not doing.cancelled():
            doing.exception()  # Its caller may be gone; the next one finds out for itself.


class _ConnectionLost(Exception):
    """What was asked for may have been done, or not."""


async def _configure(connection: Connection) -> None:
    # Here, not as an argument: procrastinate and the pool would pass it twice.
    await connection.set_autocommit(True)
    await connection.execute(SESSION)


def _parsed(url: str) -> dict[str, Any]:
    try:
        parts = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        parts = {}  # What it says may quote the URL, and so the password.
    read = [str(parts.get(name, "")) for name in NAMES]
    # A host that begins with / is a folder of sockets.
    if not parts or any(mark in part for part in read for mark in "@/#" if part[:1] != "/"):
        raise DatabaseUnusable(
            "DATABASE_URL is not what PostgreSQL understands: "
            "postgresql://user:password@host:5432/database. In a password write %2F for /, "
            "%23 for #, %40 for @ and %3A for a colon."
        )
    return parts


def _told(exc: BaseException) -> str:
    """The first line: the rest is hints and positions in our statements."""
    cause = exc.__cause__ if isinstance(exc, ConnectorException) else exc
    return str(cause).strip().partition("\n")[0].rstrip(".")
