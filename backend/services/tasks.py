"""Reading tasks, waiting for them, cancelling them."""

import logging
import time
from dataclasses import replace

import anyio

from backend.access import Caller
from backend.correlation import about
from backend.cursor import number_of
from backend.errors import OutputNotFound, TaskNotFound
from backend.metrics.work import UNCOUNTED, WorkMetrics
from backend.schemas.response_queue import QueueResponse
from backend.schemas.response_task import TaskListResponse, TaskResponse
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.task_display import GONE, TaskDisplay
from backend.store.outputs.output_store import LocalFile, OutputStore, RemoteFile
from backend.store.task_store import TaskStore
from backend.tasks import Output, Task, TaskFilter, TaskState

log = logging.getLogger(__name__)

RUNNING = TaskFilter(states=(TaskState.RUNNING,))
MOST_RUNNING = 10_000
"""That are counted: each has a slot of some GPU service."""


class TaskService:
    """Tasks as clients see them: to each caller, there are only their own."""

    def __init__(
        self,
        store: TaskStore,
        outputs: OutputStore,
        live: LiveHub,
        services: GPUServices,
        display: TaskDisplay,
        metrics: WorkMetrics = UNCOUNTED,
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._live = live
        self._services = services
        self._display = display
        self._metrics = metrics

    async def show(self, task_id: str, caller: Caller, *, with_image: bool = True) -> TaskResponse:
        """The task as it stands. Raises TaskNotFound."""
        task = await self._task(task_id, caller)
        return await self._display.show(task, with_image=with_image)

    async def check(self, task_id: str, caller: Caller) -> None:
        """Raise TaskNotFound where there is none such of the caller's."""
        await self._task(task_id, caller)

    async def newest(
        self, wanted: TaskFilter, cursor: str | None, limit: int, caller: Caller
    ) -> TaskListResponse:
        """The caller's tasks, those that came last first, without their images.

        `cursor` is what the page before has said is next. Raises InvalidInput.
        """
        mine = wanted if caller.sees_all else replace(wanted, owner=caller.key_id)
        found = await self._store.newest(mine, number_of(cursor), limit + 1)
        shown = await self._display.show_all([task for _, task in found[:limit]])
        more = len(found) > limit
        return TaskListResponse(tasks=shown, next_cursor=str(found[limit - 1][0]) if more else None)

    async def wait(
        self, task_id: str, seconds: float, caller: Caller, *, with_image: bool = True
    ) -> TaskResponse:
        """The task once it has ended, or as it stands after `seconds`. Raises TaskNotFound."""
        with self._live.watch(task_id) as watch, anyio.move_on_after(seconds):
            while not (await self._task(task_id, caller)).state.ended and not self._live.closed:
                await watch.ended.wait()
                watch.ended.clear()
        return await self.show(task_id, caller, with_image=with_image)

    async def cancel(self, task_id: str, caller: Caller) -> TaskResponse:
        """End a task that waits or runs; one that has ended stays as it is. Raises TaskNotFound."""
        await self._task(task_id, caller)
        task = await self._store.cancel(task_id, time.time())
        if task is not None:
            self._metrics.ended(task, task.state)
            self._live.changed(task.id, ended=True)
            with about(task.id):
                log.info("Task %s cancelled by %s", task.id, caller.key_id or caller.name)
                await self._services.cancel_job(task.job)
        return await self.show(task_id, caller)

    async def remove(self, task_id: str, caller: Caller) -> TaskResponse:
        """Cancel it if it has not ended, and forget it with its files; tells how it was.

        Raises TaskNotFound, StorageUnavailable.
        """
        await self.cancel(task_id, caller)
        shown = await self.show(task_id, caller, with_image=False)
        # First the row, then the files: no task is ever shown without them.
        if await self._store.remove(task_id):
            log.info("Task %s removed", task_id, extra={"task_id": task_id})
            await self._outputs.remove(task_id)
        return shown.model_copy(update={"links": {}})

    async def queue(self) -> QueueResponse:
        """How many wait and run. Raises StorageUnavailable."""
        running = await self._store.newest(RUNNING, None, MOST_RUNNING)
        return QueueResponse(queued=await self._store.queued(), running=len(running))

    async def output(
        self, task_id: str, number: int, caller: Caller
    ) -> tuple[LocalFile | RemoteFile, Output]:
        """A task's file, from 0. Raises TaskNotFound, OutputNotFound."""
        output = await self._output(task_id, number, caller)
        file = await self._outputs.file(task_id, output)
        if file is None:
            raise OutputNotFound(GONE)
        return file, output

    async def read(self, task_id: str, number: int, caller: Caller) -> bytes:
        """A task's file itself. Raises TaskNotFound, OutputNotFound."""
        output = await self._output(task_id, number, caller)
        data = await self._outputs.read(task_id, output)
        if data is None:
            raise OutputNotFound(GONE)
        return data

    async def _output(self, task_id: str, number: int, caller: Caller) -> Output:
        task = await self._task(task_id, caller)
        if not 0 <= number < len(task.outputs):
            raise OutputNotFound(f"Task {task.id} has {len(task.outputs)} outputs, from 0.")
        return task.outputs[number]

    async def _task(self, task_id: str, caller: Caller) -> Task:
        task = await self._store.get(task_id)
        if task is None or not caller.may_see(task):
            raise TaskNotFound(f"There is no task {task_id[:100]!r}.")
        return task
