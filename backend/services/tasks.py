"""Reading tasks, and waiting for them."""

import base64
from datetime import datetime, timezone

import anyio

from backend.errors import TaskNotFound
from backend.schemas.response_task import TaskResponse
from backend.services.task_ends import TaskEnds
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Task

GONE = "The image's file is no longer in the data folder."


class TaskService:
    """Tasks as clients see them."""

    def __init__(self, store: SQLiteTaskStore, outputs: OutputStore, ends: TaskEnds) -> None:
        self._store = store
        self._outputs = outputs
        self._ends = ends

    async def show(self, task_id: str) -> TaskResponse:
        """The task as it stands. Raises TaskNotFound."""
        return await self._response(await self._task(task_id))

    async def wait(self, task_id: str, seconds: float) -> TaskResponse:
        """The task once it has ended, or as it stands after `seconds`. Raises TaskNotFound."""
        with self._ends.watch(task_id) as ended:
            if not (await self._task(task_id)).state.ended:
                with anyio.move_on_after(seconds):
                    await ended.wait()
        return await self.show(task_id)

    async def _task(self, task_id: str) -> Task:
        task = await self._store.get(task_id)
        if task is None:
            raise TaskNotFound(f"There is no task {task_id[:100]!r}.")
        return task

    async def _response(self, task: Task) -> TaskResponse:
        image, gone = await self._image(task)
        return TaskResponse(
            task_id=task.id,
            status=task.state,
            image=image,
            error=task.error or gone,
            error_code=task.error_code,
            mode=task.mode,
            workflow=task.workflow,
            attempt=task.attempt,
            queue_position=await self._store.position(task.id),
            created_at=_moment(task.created_at),
            started_at=_moment(task.started_at),
            finished_at=_moment(task.finished_at),
        )

    async def _image(self, task: Task) -> tuple[str | None, str | None]:
        """The first output in base64, or why there is none."""
        if not task.outputs:
            return None, None
        data = await self._outputs.read(task.id, task.outputs[0])
        if data is None:
            return None, GONE
        if task.outputs[0].content_type.startswith("text/"):
            return data.decode(), None  # The stub's placeholder: a word, not an image.
        return base64.b64encode(data).decode("ascii"), None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
