"""A real PostgreSQL server of our own, in a folder that goes away."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

REQUIRED = "REQUIRE_POSTGRESQL"
"""The variable that makes a machine without PostgreSQL fail instead of passing these tests over."""
ACCOUNT = "postgres"
"""Whom the server runs as where we are root: it refuses that."""
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "16MB",
    "autovacuum_naptime": "10s",
    "log_min_messages": "warning",
}


class PostgreSQLServer:
    """One server on a loopback port, which it keeps over restarts; its writes are synced."""

    def __init__(self, programs: Path, folder: Path, account: str | None) -> None:
        self._programs = programs
        self._folder = folder
        self._account = account
        self._databases = 0
        self.port = free_port()

    def create(self) -> None:
        """Make its files."""
        if self._account is not None:
            shutil.chown(self._folder, self._account)
        self._run("initdb", "-A", "trust", "-U", "gateway", "-E", "UTF8", "--locale=C")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {**OPTIONS, "port": str(self.port), "unix_socket_directories": ""}
        given = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "start", "-w", "-t", "30", "-l", log, "-o", given)

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is as if the machine had lost its power."""
        self._run("pg_ctl", "stop", "-w", "-t", "30", "-m", mode)

    def restart(self, mode: str = "immediate") -> None:
        """Stop it, and start it again."""
        self.stop(mode)
        self.start()

    def new_database(self, name: str = "", template: str = "template1") -> str:
        """The URL of a database that nobody has used."""
        self._databases += 1
        name = name or f"test_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """Of a database here."""
        return f"postgresql://gateway:secret@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        # The server would keep a pipe open: what it says goes into a file.
        with (self._folder.parent / "commands.log").open("ab+") as said:
            done = subprocess.run(
                [self._programs / program, "-D", self._folder / "data", *arguments],
                user=self._account,
                group=self._account,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
            )
            said.seek(0)
            assert done.returncode == 0, said.read().decode(errors="replace")


@contextmanager
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """A running server; the test is skipped where none is installed, unless one is required."""
    programs = _programs()
    if programs is None:
        message = "no PostgreSQL server is installed (initdb is neither on PATH nor in its place)"
        if os.environ.get(REQUIRED):
            pytest.fail(message)
        pytest.skip(message)
    account = ACCOUNT if os.geteuid() == 0 else None
    if account is not None:
        pwd.getpwnam(account)
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    folder.chmod(0o755)
    (folder / "server").mkdir()
    server = PostgreSQLServer(programs, folder / "server", account)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl, of the newest version that is installed."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    installed = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest is not None else None
