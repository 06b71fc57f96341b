"""Tasks as rows of a database: the same columns in every store, JSON as text."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pydantic_core import to_json

from backend.access import Bounds
from backend.errors import ConcurrentLimit, DailyLimit
from backend.tasks import (
    Attachment,
    ImageFormat,
    Outcome,
    Output,
    OutputOptions,
    Priority,
    Task,
    TaskEvent,
    TaskFilter,
    TaskState,
    Webhook,
)

Query = tuple[str, tuple[Any, ...]]

COLUMNS = (
    "id, mode, workflow, created_at, needs, priority, rank, deadline, owner, output_options,"
    " webhook, attachments, idempotency_key, fingerprint, request_id, traceparent, state, attempt,"
    " first_attempt, started_at,"
    ' finished_at, error, error_code, outputs, "values", job_id, service'
)
"""All of a Task. What was sent with it is read only by who runs it: it may be many images."""
ADDED = (
    "id, mode, workflow, created_at, needs, priority, rank, deadline, owner, output_options,"
    " webhook, attachments, idempotency_key, fingerprint, request_id, traceparent, state, attempt,"
    " params, bytes"
)
"""The columns of a new task, in the order of `added_row`."""
RETRIED = (
    "UPDATE tasks SET state = 'queued', first_attempt = attempt, job_id = NULL, service = NULL,"
    " held_until = 0, not_before = 0, deadline = NULL, started_at = NULL, finished_at = NULL,"
    " error = NULL, error_code = NULL, worker = NULL, outputs = '[]', \"values\" = '{}', rank = "
)
"""Then come the new rank, and which task."""
FINISHED = 'state, finished_at, error, error_code, outputs, "values"'
"""The columns of an end, in the order of `finished_row`."""
CRASHED = "The backend was killed during each attempt. Look into its log, then send it again."
CRASHED_CODE = "backend_crashed"
MOST_AHEAD = 120.0
"""Seconds. What is to wait for longer than that is due: somebody has moved the clock back."""
DEADLINE_PASSED = "The task had not ended by its deadline (Cancel-After)."
DEADLINE_CODE = "deadline_passed"


def canonical(needs: Mapping[str, Any]) -> str:
    """Needs as text: equal needs are equal texts."""
    return json.dumps(needs, sort_keys=True)


def added_row(task: Task, params: Mapping[str, Any]) -> tuple[Any, ...]:
    """Values of a new task."""
    sent = to_json(params).decode()
    return (
        task.id,
        storable(task.mode),
        storable(task.workflow),
        task.created_at,
        canonical(task.needs),
        task.priority.value,
        task.rank,
        task.deadline,
        task.owner,
        json.dumps(asdict(task.output_options)),
        None if task.webhook is None else json.dumps(asdict(task.webhook)),
        json.dumps([asdict(each) for each in task.attachments]),
        storable(task.idempotency_key),
        task.fingerprint,
        task.request_id,
        task.traceparent,
        task.state.value,
        task.attempt,
        sent,
        len(sent) + sum(each.size for each in task.attachments),
    )


def finished_row(outcome: Outcome, now: float) -> tuple[Any, ...]:
    """Values of an end."""
    return (
        outcome.state.value,
        now,
        storable(outcome.error),
        storable(outcome.error_code),
        json.dumps([asdict(output) for output in outcome.outputs]),
        json.dumps(outcome.values),
    )


def wanted_rows(wanted: TaskFilter, before: int | None, limit: int, mark: str) -> list[Query]:
    """The statements whose rows, put together, hold the newest tasks that are wanted.

    One for each state, each with its own literal: so each finds its own index.
    """
    values: list[Any] = []
    conditions = []
    for column, value in (("owner =", wanted.owner), ("mode =", wanted.mode), ("seq <", before)):
        if value is not None:
            conditions.append(f"{column} {mark}")
            values.append(storable(value) if isinstance(value, str) else value)
    queries = []
    for state in wanted.states or (None,):
        its = [*conditions, *([f"state = '{state.value}'"] if state else ())]
        where = f" WHERE {' AND '.join(its)}" if its else ""
        statement = f"SELECT {COLUMNS}, seq FROM tasks{where} ORDER BY seq DESC LIMIT {mark}"
        queries.append((statement, (*values, limit)))
    return queries


def merged(rows: Iterable[Mapping[str, Any]], limit: int) -> list[tuple[int, Task]]:
    """The newest of all rows."""
    newest = sorted(rows, key=lambda row: -row["seq"])[:limit]
    return [(row["seq"], task_of(row)) for row in newest]


def day_of(seconds: float) -> int:
    """The day of UTC, since the epoch."""
    return int(seconds // 86400)


def check_bounds(bounds: Bounds, open_tasks: int, today: int, now: float) -> None:
    """Raise ConcurrentLimit, DailyLimit where the owner of so many tasks may have no more."""
    if bounds.concurrent_tasks is not None and open_tasks >= bounds.concurrent_tasks:
        raise ConcurrentLimit(
            f"{open_tasks} tasks of this key wait or run already, and that is as many as may. "
            "Wait until one has ended, or cancel one.",
            retry_after=5,
        )
    if bounds.tasks_per_day is not None and today >= bounds.tasks_per_day:
        raise DailyLimit(
            f"This key has sent {today} tasks today (UTC), and that is as many as it may. "
            "Try again tomorrow.",
            retry_after=int((day_of(now) + 1) * 86400 - now) + 1,
        )


def output_bytes(outcome: Outcome) -> int:
    """What its files take up."""
    return sum(output.size for output in outcome.outputs)


def storable(text: str | None) -> str | None:
    """Somebody else's words, without what databases refuse: NUL and unpaired surrogates."""
    if text is None:
        return None
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def task_of(row: Mapping[str, Any]) -> Task:
    """The task in a row of `COLUMNS`; other columns are passed over."""
    names = [name.strip().strip('"') for name in COLUMNS.split(",")]
    fields = {name: row[name] for name in names}
    fields["state"] = TaskState(fields["state"])
    fields["priority"] = Priority(fields["priority"])
    for name in ("needs", "values"):
        fields[name] = json.loads(fields[name])
    fields["output_options"] = _options_of(json.loads(fields["output_options"]))
    fields["webhook"] = _webhook_of(fields["webhook"])
    fields["attachments"] = tuple(Attachment(**each) for each in json.loads(fields["attachments"]))
    fields["outputs"] = tuple(Output(**each) for each in json.loads(fields["outputs"]))
    return Task(**fields)


def event_of(row: Mapping[str, Any]) -> TaskEvent:
    """The event in a row of task_events."""
    return TaskEvent(row["seq"], TaskState(row["state"]), row["attempt"], row["at"])


def _options_of(kept: dict[str, Any]) -> OutputOptions:
    wanted = kept.get("format")
    return OutputOptions(**{**kept, "format": wanted and ImageFormat(wanted)})


def _webhook_of(kept: str | None) -> Webhook | None:
    if kept is None:
        return None
    webhook = json.loads(kept)
    events = tuple(TaskState(event) for event in webhook["events"])
    return Webhook(webhook["url"], events, webhook["host"])
