"""The prompts that wait, the one that runs, and the history of the rest."""

import asyncio
import copy
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fake_comfyui.recorded import Json


@dataclass(order=True)
class QueueItem:
    """Ordered by number; the caller may choose both number and id, and repeat them."""

    number: float
    prompt_id: str
    graph: Json = field(compare=False)
    extra_data: Json = field(compare=False)
    outputs: list[str] = field(compare=False)

    @property
    def client_id(self) -> str | None:
        return self.extra_data.get("client_id")

    def as_json(self) -> list[Any]:
        return [self.number, self.prompt_id, self.graph, self.extra_data, self.outputs]


@dataclass(frozen=True)
class Outcome:
    """How a prompt ended, as its history entry tells it."""

    succeeded: bool
    messages: list[tuple[str, Json]]
    outputs: Json
    meta: Json

    def as_json(self, item: QueueItem) -> Json:
        return {
            "prompt": item.as_json(),
            "outputs": self.outputs,
            "status": {
                "status_str": "success" if self.succeeded else "error",
                "completed": self.succeeded,
                "messages": self.messages,
            },
            "meta": self.meta,
        }


class PromptQueue:
    """`changed` is called wherever ComfyUI tells its clients the queue's length."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._filled = asyncio.Event()
        self.pending: list[QueueItem] = []
        self.running: QueueItem | None = None
        self.history: dict[str, Json] = {}

    @property
    def remaining(self) -> int:
        return len(self.pending) + (self.running is not None)

    def put(self, item: QueueItem) -> None:
        heapq.heappush(self.pending, item)
        self._filled.set()
        self._changed()

    async def wait(self) -> None:
        """Return once something waits, or after `wake`."""
        await self._filled.wait()
        if not self.pending:
            self._filled.clear()

    def wake(self) -> None:
        self._filled.set()

    def start_next(self) -> QueueItem | None:
        if not self.pending:
            return None
        self.running = copy.deepcopy(heapq.heappop(self.pending))
        self._changed()
        return self.running

    def finish(self, item: QueueItem, outcome: Outcome) -> bool:
        """Move the running prompt to the history; False if a restart forgot it."""
        if self.running is not item:
            return False
        self.running = None
        self.history[item.prompt_id] = outcome.as_json(item)
        self._changed()
        return True

    def delete(self, prompt_id: str) -> bool:
        for item in self.pending:
            if item.prompt_id == prompt_id:
                self.pending.remove(item)
                heapq.heapify(self.pending)
                # The real one empties a queue of one by wiping it, which tells too.
                if not self.pending:
                    self._changed()
                self._changed()
                return True
        return False

    def clear(self) -> None:
        self.pending.clear()
        self._changed()

    def forget(self) -> None:
        """What a restart does: everything in memory is gone, and nobody is told."""
        self.pending.clear()
        self.running = None
        self.history = {}

    def as_json(self) -> Json:
        """Pending prompts in heap order, not in order of running."""
        return {
            "queue_running": [self.running.as_json()] if self.running else [],
            "queue_pending": [item.as_json() for item in self.pending],
        }

    def history_page(self, max_items: int | None, offset: int) -> Json:
        ids = list(self.history)
        if offset < 0 and max_items is not None:
            offset = len(ids) - max_items
        page = ids[max(offset, 0) :][:max_items]
        return {prompt_id: self.history[prompt_id] for prompt_id in page}
