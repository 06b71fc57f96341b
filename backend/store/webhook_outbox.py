"""What webhooks are still to be told, and what they were."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from backend.store.census import Backlog

Statement = tuple[str, tuple[Any, ...]]

FARTHEST = 2 * 86400.0
"""Seconds. What is to wait for longer than that is due: somebody has moved the clock back."""


class DeliveryState(str, Enum):
    """pending until it is delivered, or nobody tries any more."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Delivery:
    """One message to one webhook. Times are seconds since the epoch."""

    seq: int
    id: str
    """The header `webhook-id`: the same at each try."""
    task_id: str
    owner: str | None
    url: str
    host: str
    event: str
    """A state of the task."""
    created_at: float
    state: DeliveryState
    attempts: int
    due_at: float
    payload: str | None
    """As it was first sent; None before."""
    status: int | None
    """Of the last answer."""
    error: str | None
    """Why the last try failed."""
    delivered_at: float | None


@dataclass(frozen=True)
class Result:
    """How a try ended."""

    state: DeliveryState
    due_at: float = 0.0
    status: int | None = None
    error: str | None = None
    delivered_at: float | None = None
    gone: bool = False
    """Nothing is to be sent there any more of this task."""


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries are asked for; None is no condition."""

    owner: str | None = None
    state: DeliveryState | None = None
    task_id: str | None = None


class WebhookOutbox(Protocol):
    """Rows are written by the task store, with the change of state itself."""

    async def take(
        self, now: float, lease: float, limit: int, busy: Collection[str]
    ) -> list[Delivery]:
        """Deliveries that are due, but for those to `busy` hosts; a try is counted.

        For `lease` seconds they are the caller's alone; who dies meanwhile has them taken again.
        """

    async def freeze(self, delivery: Delivery, payload: str) -> None:
        """Keep what is sent: each further try sends the same."""

    async def settle(self, delivery: Delivery, result: Result) -> None:
        """Write down how a try has ended."""

    async def deliveries(
        self, wanted: DeliveryFilter, before: int | None, limit: int
    ) -> list[Delivery]:
        """The newest first; only with a number below `before`."""

    async def backlog(self) -> Backlog:
        """How many have not been heard. It costs the same however many have."""

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """The one with this id."""

    async def redeliver(self, delivery_id: str) -> bool:
        """Make it due, whatever came of it; False where there is none such."""


COLUMNS = (
    "seq, id, task_id, owner, url, host, event, created_at, state, attempts, due_at, payload,"
    " status, error, delivered_at"
)
REDELIVER = (
    "UPDATE webhook_deliveries SET state = 'pending', due_at = 0, attempts = 0, error = NULL,"
    " delivered_at = NULL WHERE id = "
)


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """The delivery in a row."""
    return Delivery(**{**row, "state": DeliveryState(row["state"])})


def settled(delivery: Delivery, result: Result, mark: str) -> list[Statement]:
    """The statements that write a result down, in a transaction."""
    columns = ("state", "due_at", "status", "error", "delivered_at")
    sets = ", ".join(f"{name} = {mark}" for name in columns)
    values = (
        result.state.value,
        result.due_at,
        result.status,
        result.error,
        result.delivered_at,
        delivery.id,
    )
    statements: list[Statement] = [
        (f"UPDATE webhook_deliveries SET {sets} WHERE id = {mark}", values)
    ]
    if result.gone:
        rest = (
            "UPDATE webhook_deliveries SET state = 'failed', error = "
            f"{mark} WHERE task_id = {mark} AND state = 'pending'"
        )
        statements.append((rest, (result.error, delivery.task_id)))
        ended = f"UPDATE tasks SET webhook = NULL WHERE id = {mark}"
        statements.append((ended, (delivery.task_id,)))
    return statements


def listed(wanted: DeliveryFilter, before: int | None, limit: int, mark: str) -> Statement:
    """The statement that finds them."""
    state = wanted.state and wanted.state.value
    given = {
        "owner =": wanted.owner,
        "state =": state,
        "task_id =": wanted.task_id,
        "seq <": before,
    }
    conditions = [f"{column} {mark}" for column, value in given.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    values = tuple(value for value in given.values() if value is not None)
    statement = f"SELECT {COLUMNS} FROM webhook_deliveries {where}ORDER BY seq DESC LIMIT {mark}"
    return statement, (*values, limit)
