"""Which stores the settings ask for."""

import os
from typing import NamedTuple

from dotenv import dotenv_values

from backend.config import HERE, Settings
from backend.errors import DatabaseUnusable
from backend.store.key_store import KeyStore
from backend.store.outputs.opening import open_outputs
from backend.store.outputs.output_store import OutputStore
from backend.store.sqlite.keys import SQLiteKeyStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.store.task_store import SharedTaskStore, TaskStore
from backend.store.webhook_outbox import WebhookOutbox

INSTALL = "pip install -r backend/requirements-postgresql.txt"


class Stores(NamedTuple):
    """Where tasks are kept, and what they have made; neither is open yet."""

    tasks: TaskStore
    outputs: OutputStore
    keys: KeyStore
    outbox: WebhookOutbox
    shared: SharedTaskStore | None = None
    """The former, where other processes use it too."""


def stores_of(settings: Settings, *, worker: bool) -> Stores:
    """SQLite, or PostgreSQL where there is a DATABASE_URL; the data folder, or an OUTPUTS_URL.

    `worker` says whether this process runs tasks. Raises DatabaseUnusable, OutputsUnusable.
    """
    if settings.outputs_url:
        _take_credentials()
    outputs = open_outputs(settings.outputs_url, settings.data_path)
    if not settings.database_url:
        keys = SQLiteKeyStore(settings.data_path)
        tasks = SQLiteTaskStore(settings.data_path)
        return Stores(tasks, outputs, keys, tasks)
    try:
        from backend.store.postgresql.store import PostgreSQLTaskStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        raise DatabaseUnusable(f"DATABASE_URL needs {exc.name}: {INSTALL}") from exc
    shared = PostgreSQLTaskStore(
        settings.database_url,
        worker=worker,
        heartbeat=settings.stalled_after / 4,
        stalled_after=settings.stalled_after,
    )
    return Stores(shared, outputs, shared.keys, shared, shared)


def _take_credentials() -> None:
    """AWS_… variables may stand in the `.env`, too; the library reads the environment alone."""
    for name, value in dotenv_values(HERE / ".env").items():
        if name.startswith("AWS_") and value:
            os.environ.setdefault(name, value)
