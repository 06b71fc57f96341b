"""How far the running tasks of this process are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LiveProgress:
    """`value` is from 0 to 1, `node` the title of the node that runs."""

    value: float
    node: str | None = None


class ProgressBoard:
    """Written by the worker, read by whoever shows a task. Nothing of it is kept."""

    def __init__(self) -> None:
        self._running: dict[str, LiveProgress] = {}

    def put(self, task_id: str, progress: LiveProgress) -> None:
        """The task has come so far."""
        self._running[task_id] = progress

    def get(self, task_id: str) -> LiveProgress | None:
        """How far the task is, where it runs here."""
        return self._running.get(task_id)

    def remove(self, task_id: str) -> None:
        """It does not run any more."""
        self._running.pop(task_id, None)
