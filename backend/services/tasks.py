"""Reading tasks, waiting for them, cancelling them."""

import base64
import logging
import time
from datetime import datetime, timezone

import anyio

from backend.access import Caller
from backend.errors import OutputNotFound, TaskNotFound
from backend.schemas.response_task import OutputResponse, TaskResponse
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub, LiveProgress
from backend.store.outputs.output_store import LocalFile, OutputStore, RemoteFile
from backend.store.task_store import TaskStore
from backend.tasks import Output, Task, TaskState

log = logging.getLogger(__name__)

GONE = "The image's file is no longer where outputs are kept."
PLACEHOLDER_TYPE = "text/x-placeholder"
"""Of what the stub engine makes: a word, not an image."""


class TaskService:
    """Tasks as clients see them: to each caller, there are only their own."""

    def __init__(
        self,
        store: TaskStore,
        outputs: OutputStore,
        live: LiveHub,
        services: GPUServices,
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._live = live
        self._services = services

    async def show(self, task_id: str, caller: Caller, *, with_image: bool = True) -> TaskResponse:
        """The task as it stands. Raises TaskNotFound."""
        return await self._response(await self._task(task_id, caller), with_image=with_image)

    async def wait(self, task_id: str, seconds: float, caller: Caller) -> TaskResponse:
        """The task once it has ended, or as it stands after `seconds`. Raises TaskNotFound."""
        with self._live.watch(task_id) as watch, anyio.move_on_after(seconds):
            while not (await self._task(task_id, caller)).state.ended and not self._live.closed:
                await watch.ended.wait()
                watch.ended.clear()
        return await self.show(task_id, caller)

    async def cancel(self, task_id: str, caller: Caller) -> TaskResponse:
        """End a task that waits or runs; one that has ended stays as it is. Raises TaskNotFound."""
        await self._task(task_id, caller)
        task = await self._store.cancel(task_id, time.time())
        if task is not None:
            log.info("Task %s cancelled", task.id)
            self._live.changed(task.id, ended=True)
            await self._services.cancel_job(task.job)
        return await self.show(task_id, caller)

    async def output(
        self, task_id: str, number: int, caller: Caller
    ) -> tuple[LocalFile | RemoteFile, Output]:
        """A task's file, from 0. Raises TaskNotFound, OutputNotFound."""
        task = await self._task(task_id, caller)
        if not 0 <= number < len(task.outputs):
            raise OutputNotFound(f"Task {task.id} has {len(task.outputs)} outputs, from 0.")
        output = task.outputs[number]
        file = await self._outputs.file(task.id, output)
        if file is None:
            raise OutputNotFound(GONE)
        return file, output

    async def _task(self, task_id: str, caller: Caller) -> Task:
        task = await self._store.get(task_id)
        if task is None or not caller.may_see(task):
            raise TaskNotFound(f"There is no task {task_id[:100]!r}.")
        return task

    async def _response(self, task: Task, *, with_image: bool = True) -> TaskResponse:
        image, gone = await self._image(task) if with_image else (None, None)
        live = self._live.progress(task.id) if task.state is TaskState.RUNNING else None
        done = LiveProgress(1.0 if task.state is TaskState.DONE else 0.0)
        seed = task.values.get("seed")
        return TaskResponse(
            task_id=task.id,
            status=task.state,
            image=image,
            error=task.error or gone,
            error_code=task.error_code,
            mode=task.mode,
            workflow=task.workflow,
            progress=(live or done).value,
            node=live.node if live else None,
            queue_position=await self._position(task),
            attempt=task.attempt,
            priority=task.priority,
            deadline=_moment(task.deadline),
            seed=seed if isinstance(seed, int) else None,
            parameters=task.values,
            outputs=[_output(task.id, number, each) for number, each in enumerate(task.outputs)],
            created_at=_moment(task.created_at),
            started_at=_moment(task.started_at),
            finished_at=_moment(task.finished_at),
        )

    async def _position(self, task: Task) -> int | None:
        return await self._store.position(task.id) if task.state is TaskState.QUEUED else None

    async def _image(self, task: Task) -> tuple[str | None, str | None]:
        """The first image in base64, or why there is none."""
        for output in task.outputs:
            if output.content_type.startswith("image/") or output.content_type == PLACEHOLDER_TYPE:
                data = await self._outputs.read(task.id, output)
                if data is None:
                    return None, GONE
                if output.content_type == PLACEHOLDER_TYPE:
                    return data.decode(), None
                return base64.b64encode(data).decode("ascii"), None
        return None, None


def _output(task_id: str, number: int, output: Output) -> OutputResponse:
    return OutputResponse(
        url=f"/tasks/{task_id}/outputs/{number}",
        content_type=output.content_type,
        size=output.size,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
