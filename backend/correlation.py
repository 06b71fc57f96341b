"""What a log line, and each call made on the way, belongs to: a request, a trace and a task."""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

REQUEST_ID, TASK_ID, TRACEPARENT = "X-Request-ID", "X-Task-ID", "traceparent"
SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}", re.ASCII)
"""Short, and nothing in it that a log, a header or a page could take for something else."""
SANE_TRACE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""As W3C's Trace Context has it."""


@dataclass(frozen=True)
class Correlation:
    """All of it that is known."""

    request_id: str | None = None
    traceparent: str | None = None
    task_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of a request that is made for it."""
        told = {REQUEST_ID: self.request_id, TASK_ID: self.task_id, TRACEPARENT: self.traceparent}
        return {name: value for name, value in told.items() if value is not None}

    @property
    def fields(self) -> dict[str, str]:
        """Of a log line that is about it."""
        trace_id = self.traceparent and self.traceparent.split("-")[1]
        told = {"request_id": self.request_id, "task_id": self.task_id, "trace_id": trace_id}
        return {name: value for name, value in told.items() if value is not None}


NOTHING = Correlation()
_current: ContextVar[Correlation] = ContextVar("correlation", default=NOTHING)


def current() -> Correlation:
    """What is being worked on here."""
    return _current.get()


def begin(correlation: Correlation) -> None:
    """From now on, this is what is worked on, to the end of the asyncio task."""
    _current.set(correlation)


@contextmanager
def correlated(correlation: Correlation) -> Iterator[None]:
    """Meanwhile, this is what is worked on."""
    token = _current.set(correlation)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def about(task_id: str) -> Iterator[None]:
    """Meanwhile, it is about this task, too."""
    with correlated(replace(current(), task_id=task_id)):
        yield


def told_in(headers: Mapping[str, str]) -> Correlation:
    """What a request says of itself, so far as it is sane; its id is made where it says none."""
    return Correlation(
        request_id=_sane(SANE_ID, headers.get(REQUEST_ID)) or uuid.uuid4().hex,
        traceparent=_sane(SANE_TRACE, headers.get(TRACEPARENT)),
    )


def _sane(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and pattern.fullmatch(text) else None
