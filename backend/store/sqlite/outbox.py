"""Statements on the webhooks' outbox of a SQLite file."""

import json
import sqlite3
from collections.abc import Collection
from contextlib import suppress

from backend.store.census import WEBHOOKS, Backlog, backlog_of
from backend.store.rows import storable
from backend.store.webhook_outbox import (
    COLUMNS,
    FARTHEST,
    REDELIVER,
    Delivery,
    DeliveryFilter,
    Result,
    delivery_of,
    listed,
    settled,
)

TAKE = f"""
    UPDATE webhook_deliveries SET due_at = :until, attempts = attempts + 1
    WHERE seq IN (
        SELECT seq FROM webhook_deliveries
        WHERE state = 'pending' AND (due_at <= :now OR due_at > :now + {FARTHEST})
            AND host NOT IN (SELECT value FROM json_each(:busy))
        ORDER BY due_at, seq LIMIT :limit
    ) RETURNING {COLUMNS}
"""


class SQLiteOutbox:
    """What a WebhookOutbox does, in one thread; raises sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def take(self, now: float, lease: float, limit: int, busy: Collection[str]) -> list[Delivery]:
        values = {"now": now, "until": now + lease, "limit": limit, "busy": json.dumps([*busy])}
        rows = self._db.execute(TAKE, values).fetchall()
        return sorted((delivery_of(dict(row)) for row in rows), key=lambda each: each.seq)

    def freeze(self, delivery: Delivery, payload: str) -> None:
        self._db.execute(
            "UPDATE webhook_deliveries SET payload = ? WHERE id = ?", (payload, delivery.id)
        )

    def settle(self, delivery: Delivery, result: Result) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in settled(delivery, result, "?"):
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def deliveries(self, wanted: DeliveryFilter, before: int | None, limit: int) -> list[Delivery]:
        rows = self._db.execute(*listed(wanted, before, limit, "?")).fetchall()
        return [delivery_of(dict(row)) for row in rows]

    def backlog(self) -> Backlog:
        return backlog_of(dict(self._db.execute(WEBHOOKS).fetchone()))

    def delivery(self, delivery_id: str) -> Delivery | None:
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM webhook_deliveries WHERE id = ?", (storable(delivery_id),)
        ).fetchone()
        return delivery_of(dict(row)) if row else None

    def redeliver(self, delivery_id: str) -> bool:
        return self._db.execute(f"{REDELIVER} ?", (storable(delivery_id),)).rowcount == 1
