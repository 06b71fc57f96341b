"""How long a task will take, from how long its workflow has taken."""

import statistics
import time
from collections.abc import Callable

from backend.store.task_store import TaskStore
from backend.tasks import Task, TaskState

RUNS = 20
"""The last ones, of which the median is taken."""
FRESH_SECONDS = 5.0
MOST_WORKFLOWS = 1000


class Estimates:
    """`slots` is how many tasks run at once, those that are only prepared included."""

    def __init__(
        self,
        store: TaskStore,
        slots: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._slots = max(slots, 1)
        self._clock = clock
        self._medians: dict[str, tuple[float, float | None]] = {}

    async def seconds(self, task: Task, position: int | None) -> float | None:
        """Until it is done, were all as usual; None where nobody knows.

        `position` is how many tasks run before one that waits: each is taken to run as long.
        """
        if task.state.ended or (task.state is TaskState.QUEUED and position is None):
            return None
        median = await self._median(task.workflow)
        if median is None:
            return None
        if task.state is TaskState.RUNNING:
            return round(max(median - (self._clock() - (task.started_at or 0.0)), 0.0), 1)
        turns = (position or 0) // self._slots + 1
        return round(turns * median, 1)

    async def _median(self, workflow: str) -> float | None:
        looked_at, median = self._medians.get(workflow, (float("-inf"), None))
        # Either way: somebody may have moved the clock back.
        if abs(self._clock() - looked_at) < FRESH_SECONDS:
            return median
        runs = await self._store.run_seconds(workflow, RUNS)
        median = statistics.median(runs) if runs else None
        if len(self._medians) >= MOST_WORKFLOWS:
            self._medians.clear()
        self._medians[workflow] = (self._clock(), median)
        return median
