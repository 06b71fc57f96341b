"""Who calls, and what they may do."""

from dataclasses import dataclass, field
from enum import Enum

from backend.tasks import Task


class Scope(str, Enum):
    """What a key may be used for."""

    SUBMIT = "submit"
    """Sending tasks, and changing those that it sent."""
    READ = "read"
    """Seeing its tasks and what they made, and what can be asked for."""
    METRICS = "metrics"
    """What a monitoring system reads: numbers of all tasks, and none of the tasks."""
    ADMIN = "admin"
    """All of that for everybody's tasks, and what an operator does."""


@dataclass(frozen=True)
class Bounds:
    """What one key may use; None where it is not bounded."""

    requests_per_minute: int | None = None
    concurrent_tasks: int | None = None
    """Tasks that have not ended."""
    tasks_per_day: int | None = None
    """Of UTC."""


UNBOUNDED = Bounds()


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key, which is not the key itself. Times are seconds since the epoch."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    bounds: Bounds = UNBOUNDED


@dataclass(frozen=True)
class Caller:
    """Who sends a request."""

    key_id: str | None
    """None where keys are off."""
    name: str
    scopes: frozenset[Scope]
    bounds: Bounds = UNBOUNDED
    key_hash: str | None = field(default=None, repr=False)
    """By which the key is found again."""

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope; `admin` has them all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def sees_all(self) -> bool:
        """Whether everybody's tasks are theirs to see."""
        return self.key_id is None or Scope.ADMIN in self.scopes

    def may_see(self, task: Task) -> bool:
        """Whether the task is theirs; to all others, there is no such task."""
        return self.sees_all or task.owner == self.key_id


EVERYBODY = Caller(None, "everybody", frozenset(Scope))
"""While keys are off."""
