"""A task as clients see it."""

import base64
from collections.abc import Sequence
from datetime import datetime, timezone

from backend.schemas.response_task import OutputResponse, TaskResponse
from backend.services.estimates import Estimates
from backend.services.live import LiveHub, LiveProgress
from backend.store.outputs.output_store import OutputStore
from backend.store.runs import Run
from backend.store.task_store import TaskStore
from backend.tasks import Output, Task, TaskState

GONE = "The image's file is no longer where outputs are kept."
PLACEHOLDER_TYPE = "text/x-placeholder"
"""Of what the stub engine makes: a word, not an image."""
RETRYABLE = (TaskState.FAILED, TaskState.CANCELLED)


class TaskDisplay:
    """Puts together what is known of a task."""

    def __init__(
        self, store: TaskStore, outputs: OutputStore, live: LiveHub, estimates: Estimates
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._live = live
        self._estimates = estimates

    async def show(self, task: Task, *, with_image: bool = True) -> TaskResponse:
        """All of it, with its position in the queue, which is counted."""
        position = await self._store.position(task.id) if task.state is TaskState.QUEUED else None
        running = [] if task.state.ended else await self._store.running()
        return await self._shown(task, running, position, with_image=with_image)

    async def show_all(self, tasks: Sequence[Task]) -> list[TaskResponse]:
        """Those of a list, without images and positions; what runs is looked for once."""
        any_runs = any(task.state is TaskState.RUNNING for task in tasks)
        running = await self._store.running() if any_runs else []
        return [await self._shown(task, running, None, with_image=False) for task in tasks]

    async def _shown(
        self, task: Task, running: Sequence[Run], position: int | None, *, with_image: bool
    ) -> TaskResponse:
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
            queue_position=position,
            estimated_seconds=await self._estimates.seconds(task, running, position),
            attempt=task.attempt,
            priority=task.priority,
            deadline=_moment(task.deadline),
            seed=seed if isinstance(seed, int) else None,
            parameters=task.values,
            outputs=[_output(task.id, number, each) for number, each in enumerate(task.outputs)],
            created_at=_moment(task.created_at),
            started_at=_moment(task.started_at),
            finished_at=_moment(task.finished_at),
            links=_links(task),
        )

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


def _links(task: Task) -> dict[str, str]:
    """What can be done with it as it stands."""
    own = f"/tasks/{task.id}"
    links = {"self": own, "events": f"{own}/events"}
    if not task.state.ended:
        links["cancel"] = own
    if task.state in RETRYABLE:
        links["retry"] = f"{own}/retry"
    return links


def _output(task_id: str, number: int, output: Output) -> OutputResponse:
    return OutputResponse(
        url=f"/tasks/{task_id}/outputs/{number}",
        content_type=output.content_type,
        size=output.size,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
