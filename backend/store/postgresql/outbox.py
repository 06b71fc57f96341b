"""Statements on the webhooks' outbox of a PostgreSQL database."""

from collections.abc import Collection

from backend.store.census import WEBHOOKS, Backlog, backlog_of
from backend.store.postgresql.database import Connection
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
    WITH due AS MATERIALIZED (
        SELECT seq AS taken FROM webhook_deliveries
        WHERE state = 'pending' AND (due_at <= %(now)s OR due_at > %(now)s + {FARTHEST})
            AND host <> ALL(%(busy)s::text[])
        ORDER BY due_at, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_deliveries SET due_at = %(until)s, attempts = attempts + 1
    FROM due WHERE seq = taken RETURNING {COLUMNS}
"""
"""As a subquery it may be run once for each row, and then takes more than the limit."""


async def take(
    db: Connection, now: float, lease: float, limit: int, busy: Collection[str]
) -> list[Delivery]:
    values = {"now": now, "until": now + lease, "limit": limit, "busy": [*busy]}
    rows = await (await db.execute(TAKE, values)).fetchall()
    return sorted((delivery_of(row) for row in rows), key=lambda each: each.seq)


async def freeze(db: Connection, delivery: Delivery, payload: str) -> None:
    await db.execute(
        "UPDATE webhook_deliveries SET payload = %s WHERE id = %s", (payload, delivery.id)
    )


async def settle(db: Connection, delivery: Delivery, result: Result) -> None:
    """In a transaction."""
    for statement, values in settled(delivery, result, "%s"):
        await db.execute(statement, values)


async def deliveries(
    db: Connection, wanted: DeliveryFilter, before: int | None, limit: int
) -> list[Delivery]:
    statement, values = listed(wanted, before, limit, "%s")
    return [delivery_of(row) for row in await (await db.execute(statement, values)).fetchall()]


async def backlog(db: Connection) -> Backlog:
    row = await (await db.execute(WEBHOOKS)).fetchone()
    assert row is not None, "it counts"  # noqa: S101
    return backlog_of(row)


async def find(db: Connection, delivery_id: str) -> Delivery | None:
    statement = f"SELECT {COLUMNS} FROM webhook_deliveries WHERE id = %s"
    row = await (await db.execute(statement, (storable(delivery_id),))).fetchone()
    return delivery_of(row) if row else None


async def redeliver(db: Connection, delivery_id: str) -> bool:
    return (await db.execute(f"{REDELIVER} %s", (storable(delivery_id),))).rowcount == 1
