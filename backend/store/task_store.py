"""What every task store does, on one machine or on many."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from backend.access import UNBOUNDED, Bounds
from backend.store.census import TaskGroup
from backend.store.runs import Run
from backend.tasks import Claim, Outcome, Task, TaskEvent, TaskFilter

Serves = Callable[[str, Mapping[str, Any]], bool]
"""Whether a GPU service can run a workflow with these needs. Called from any thread."""


class TaskStore(Protocol):
    """The truth about tasks: what a method has written is synced to disk when it returns.

    `now` and all other times are seconds since the epoch. Every method but `open` and `close`
    raises StorageFull and StorageUnavailable, and may be called again after it has.
    """

    async def open(self) -> None:
        """Get ready; the schema is made, or brought up to date.

        Raises DataFolderInUse, DatabaseUnusable, StorageUnavailable.
        """

    async def close(self) -> None:
        """Let go of everything."""

    async def add(
        self, task: Task, params: Mapping[str, Any], bounds: Bounds = UNBOUNDED
    ) -> tuple[Task, bool]:
        """Keep a new task: it, and True.

        `bounds` are its owner's, and hold however many come at once. Raises ConcurrentLimit,
        DailyLimit.

        Where a task of its owner's has its idempotency key, or its id, already: that one as it
        stands, and False.
        """

    async def get(self, task_id: str) -> Task | None:
        """The task of this id, if there is one."""

    async def by_key(self, idempotency_key: str, owner: str | None) -> Task | None:
        """The task that this owner sent with this key, if there is one."""

    async def newest(
        self, wanted: TaskFilter, before: int | None, limit: int
    ) -> list[tuple[int, Task]]:
        """Tasks with their numbers, those that came last first; only with a number below `before`.

        It costs the same however many there are.
        """

    async def run_seconds(self, workflow: str, limit: int) -> list[float]:
        """How long the last of its tasks that are done ran, without the wait for those before them.

        A GPU service that has several has them wait for each other.
        """

    async def running(self) -> list[Run]:
        """What runs, in the order in which it was claimed."""

    async def position(self, task_id: str) -> int | None:
        """How many queued tasks are before this one; None where it does not wait."""

    async def queued(self) -> int:
        """How many tasks wait."""

    async def census(self) -> list[TaskGroup]:
        """What waits and runs, by mode. It costs the same however many have ended."""

    async def claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        """Take the first task that is due and served, as running, as a new attempt.

        Its job is `job_id` on `service`, unless it has one there that may go on. One that has a
        job on another GPU service is left to that one until its hold is over.
        """

    async def is_current(self, task: Task) -> bool:
        """Whether a claimed task is still this attempt's to run."""

    async def cancel(self, task_id: str, now: float) -> Task | None:
        """End a task that waits or runs; None where there is none to end."""

    async def retry(self, task_id: str, rank: float, bounds: Bounds = UNBOUNDED) -> Task | None:
        """Queue a failed or cancelled task once more; None where there is none such.

        Its attempts are counted anew, it has no deadline any more, and no job. `bounds` on tasks at
        once are its owner's. Raises ConcurrentLimit.
        """

    async def finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        """End a claimed task; False where this attempt is no longer the one that counts."""

    async def release(
        self,
        task: Task,
        *,
        not_before: float,
        spent: bool,
        keep_job: bool = False,
        held_until: float | None = 0.0,
    ) -> bool:
        """Put a claimed task back in its place in the queue; False as with `finish`.

        `spent` counts the attempt. `keep_job` where its job may go on, to be found again: until
        `held_until`, only by the GPU service that has it; None where a hold is to stay as it was.
        """

    async def recover(self, max_attempts: int, now: float, held_until: float) -> list[Task]:
        """Queue again what runs under a worker that is no more; its attempt counts.

        Jobs are kept, and held as with `release`. What has no attempt left has failed. Returns
        these tasks as they are now.
        """

    async def expire(self, now: float) -> list[Task]:
        """Cancel what is past its deadline; returns these tasks as they are now."""

    async def events(self, task_id: str, after: int = 0) -> list[TaskEvent]:
        """The task's changes of state after that sequence number, in order."""

    async def spent_bytes(self) -> int:
        """What ended tasks take up: their outputs, and what was sent with them."""

    async def oldest_ended(self, limit: int) -> list[Task]:
        """Ended tasks, those that ended first before all others."""

    async def remove(self, task_id: str) -> bool:
        """Forget an ended task; False where there is none."""


class StoredPreview(Protocol):
    """The newest picture of a task that runs."""

    @property
    def content_type(self) -> str:
        """Of the image."""

    @property
    def image(self) -> bytes:
        """The file."""


class SharedTaskStore(TaskStore, Protocol):
    """A store that many processes use at once, and through which they hear of each other."""

    on_queued: Callable[[], None]
    """Called when a task may have come to wait, whichever process sent it."""

    async def workers(self) -> int:
        """How many workers are alive, whatever process they are in."""

    def listen(self, heard: Callable[[dict[str, Any]], None], missed: Callable[[], None]) -> None:
        """Hear of every task; `missed` says that some news may not have come."""

    async def notify_live(self, task_id: str, payload: Mapping[str, Any]) -> None:
        """Tell all processes what happens to a task now."""

    async def put_preview(self, task_id: str, content_type: str, image: bytes) -> None:
        """Keep the newest picture of a running task, and tell all processes of it."""

    async def preview(self, task_id: str) -> StoredPreview | None:
        """The newest picture, while the task runs."""
