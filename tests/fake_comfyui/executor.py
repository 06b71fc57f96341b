"""The worker: takes prompts off the queue one at a time and runs their graphs."""

import asyncio
from dataclasses import dataclass, field

from tests.fake_comfyui.executions import Executions
from tests.fake_comfyui.faults import Fault
from tests.fake_comfyui.interruption import Restarted
from tests.fake_comfyui.queue import PromptQueue, QueueItem
from tests.fake_comfyui.run import Engine, Run

LATE_HISTORY_SECONDS = 0.2


@dataclass
class Executor:
    """`finished` lists the prompts run to an end, good or bad, for tests to look at."""

    engine: Engine
    queue: PromptQueue
    executions: Executions
    finished: list[str] = field(default_factory=list)
    free_requested: bool = False

    async def run(self) -> None:
        while True:
            await self.queue.wait()
            item = self.queue.start_next()
            if item is not None:
                await self._run(item)
            if self.free_requested:
                self.free_requested = False
                self.engine.cache.clear()

    def request_free(self) -> None:
        """Empty the cache: now if idle, else after the running prompt."""
        self.free_requested = True
        self.queue.wake()

    async def _run(self, item: QueueItem) -> None:
        hub = self.engine.hub
        self.engine.interruption.reset()
        hub.current_client = item.client_id
        self.executions.started(item.prompt_id, item.graph)
        try:
            outcome = await Run(self.engine, item).outcome()
        except Restarted:
            return
        finally:
            hub.current_node = None
        # A client may hear of the end before the history knows: only then is it written.
        await hub.flushed()
        late = self.engine.faults.take(Fault.LATE_HISTORY)
        if late:
            await asyncio.sleep(LATE_HISTORY_SECONDS if late.value is None else late.value)
        if self.queue.finish(item, outcome):
            self.finished.append(item.prompt_id)
            self.executions.ended(item.prompt_id)
            if item.client_id is not None:
                data = {"node": None, "prompt_id": item.prompt_id}
                hub.publish("executing", data, item.client_id)
