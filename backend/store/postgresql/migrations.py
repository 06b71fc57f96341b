"""The schema of a PostgreSQL database: ours, and procrastinate's beside it."""

from pathlib import Path

from procrastinate.schema import SchemaManager

from backend.errors import DatabaseUnusable
from backend.store.postgresql.database import Connection

SCHEMA = Path(__file__).with_name("schema")
ONE_AT_A_TIME = 0x636F6D66
"""The advisory lock: two processes may start at once."""
VERSION_TABLE = "CREATE TABLE IF NOT EXISTS gateway_schema (version integer NOT NULL)"
VERSION = "SELECT coalesce(max(version), 0) AS version FROM gateway_schema"
PROCRASTINATE = (
    "procrastinate_defer_jobs_v1",
    "procrastinate_fetch_job_v2",
    "procrastinate_register_worker_v1",
    "procrastinate_update_heartbeat_v1",
    "procrastinate_unregister_worker_v1",
    "procrastinate_prune_stalled_workers_v1",
)
"""Its functions that the store calls, of version 3.10 of the library."""


async def migrate(connection: Connection) -> None:
    """Make the schema, or bring it up to this version: all of it in one transaction.

    Raises DatabaseUnusable, psycopg.Error.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (ONE_AT_A_TIME,))
        await _refuse_encoding(connection)
        await connection.execute(VERSION_TABLE)
        version = await _number(connection, VERSION, "version")
        steps = sorted(SCHEMA.glob("*.sql"), key=lambda step: int(step.stem))
        newest = int(steps[-1].stem)
        if version > newest:
            raise DatabaseUnusable(
                f"The database {connection.info.dbname!r} was made by a newer version of this "
                f"program (schema {version}, this one knows {newest}). Nothing has been changed: "
                "start that version, or set another DATABASE_URL."
            )
        await _have_procrastinate(connection)
        for step in steps[version:]:
            await connection.execute(step.read_bytes())
            await connection.execute("INSERT INTO gateway_schema VALUES (%s)", (int(step.stem),))


async def _refuse_encoding(connection: Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseUnusable(
            f"The database {connection.info.dbname!r} has the encoding {encoding}, which cannot "
            "keep every text: make one with ENCODING 'UTF8'."
        )


async def _have_procrastinate(connection: Connection) -> None:
    """Its schema is made where there is none; one that another program made is looked at."""
    if await _number(
        connection, "SELECT (to_regclass('procrastinate_jobs') IS NULL)::int AS absent", "absent"
    ):
        await connection.execute(SchemaManager.get_schema())
    cursor = await connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regproc(name) IS NULL",
        (list(PROCRASTINATE),),
    )
    if lacking := [row["name"] for row in await cursor.fetchall()]:
        raise DatabaseUnusable(
            f"The database {connection.info.dbname!r} has another version of procrastinate's "
            f"schema ({', '.join(lacking)} not found): apply that library's migrations up to "
            "3.10, or set another DATABASE_URL."
        )


async def _number(connection: Connection, statement: str, column: str) -> int:
    row = await (await connection.execute(statement)).fetchone()
    return int(row[column]) if row else 0
