"""How long a task will take, from how long its workflow has taken and what goes before it."""

import heapq
import statistics
import time
from collections.abc import Callable, Sequence

from backend.store.runs import Run
from backend.store.task_store import TaskStore
from backend.tasks import Task, TaskState

RUNS = 20
"""The last ones, of which the median is taken."""
FRESH_SECONDS = 5.0
MOST_WORKFLOWS = 1000


class Estimates:
    """`at_once` tells how many tasks run at once: one on each GPU service, as in its ComfyUI.

    What a GPU service has beside that one is only ready to be the next.
    """

    def __init__(
        self,
        store: TaskStore,
        at_once: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._at_once = at_once
        self._clock = clock
        self._medians: dict[str, tuple[float, float | None]] = {}

    async def seconds(
        self, task: Task, running: Sequence[Run], position: int | None
    ) -> float | None:
        """Until it is done, were all as usual; None where nobody knows.

        `running` is all that runs, in the order of its claims, and `position` how many tasks wait
        before one that waits: each of these is taken to run as long as the task itself, and so is
        what runs where nobody knows.
        """
        if task.state.ended or (task.state is TaskState.QUEUED and position is None):
            return None
        usual = await self._median(task.workflow)
        if usual is None:
            return None
        if task.state is TaskState.RUNNING:
            busy = await self._busy(_through(task, running), usual)
            return round(busy.get(task.service, 0.0), 1)
        return round(self._turn(await self._busy(running, usual), position or 0, usual), 1)

    async def _busy(self, running: Sequence[Run], usual: float) -> dict[str | None, float]:
        """Seconds until each GPU service has ended these."""
        busy: dict[str | None, float] = {}
        for run in running:
            median = await self._median(run.workflow)
            left = usual if median is None else median
            if run.service not in busy:
                left = max(left - (self._clock() - run.began), 0.0)
            busy[run.service] = busy.get(run.service, 0.0) + left
        return busy

    def _turn(self, busy: dict[str | None, float], position: int, usual: float) -> float:
        """When the task at this position has ended, each being taken by who is free first."""
        idle = max(self._at_once(), 1) - len(busy)
        free = [*busy.values(), *[0.0] * idle]
        heapq.heapify(free)
        for _ in range(position):
            heapq.heapreplace(free, free[0] + usual)
        return free[0] + usual

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


def _through(task: Task, running: Sequence[Run]) -> Sequence[Run]:
    """What runs, up to the task itself; nothing where it has ended just now."""
    ids = [run.task_id for run in running]
    return running[: ids.index(task.id) + 1] if task.id in ids else []
