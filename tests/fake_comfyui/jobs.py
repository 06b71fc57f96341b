"""The jobs API of the newer version: one shape for queue and history alike."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.fake_comfyui.queue import PromptQueue, QueueItem
from tests.fake_comfyui.recorded import Json

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
PREVIEWABLE = {"images", "video", "audio", "3d", "text"}
END_EVENTS = ("execution_success", "execution_error", "execution_interrupted")


class BadQuery(Exception):
    """A query parameter has a value that the jobs API does not take."""


def find_job(queue: PromptQueue, job_id: str) -> Json | None:
    if job_id in queue.history:
        entry = queue.history[job_id]
        return {**_finished(entry), **_details(entry)}
    return next((job for job in _waiting(queue) if job["id"] == job_id), None)


def list_jobs(queue: PromptQueue, query: Mapping[str, str]) -> Json:
    jobs = [*_waiting(queue), *(_finished(entry) for entry in queue.history.values())]
    statuses = [part.strip() for part in query.get("status", "").lower().split(",")]
    wanted = [status for status in statuses if status]
    unknown = [status for status in wanted if status not in STATUSES]
    if unknown:
        raise BadQuery(f"Invalid status value(s): {', '.join(unknown)}.")
    if wanted:
        jobs = [job for job in jobs if job["status"] in wanted]
    if query.get("workflow_id"):
        jobs = [job for job in jobs if job.get("workflow_id") == query["workflow_id"]]
    descending = _one_of(query, "sort_order", ("desc", "asc")) == "desc"
    by_duration = _one_of(query, "sort_by", ("created_at", "execution_duration")) != "created_at"
    jobs.sort(key=_duration if by_duration else _created, reverse=descending)
    limit = _whole(query, "limit", minimum=1)
    offset = _whole(query, "offset", minimum=0) or 0
    page = jobs[offset:][:limit]
    return {
        "jobs": page,
        "pagination": {
            "offset": offset,
            "limit": limit,
            "total": len(jobs),
            "has_more": offset + len(page) < len(jobs),
        },
    }


def cancel_job(queue: PromptQueue, job_id: str, interrupt: Callable[[], None]) -> bool:
    """True where there was something to cancel."""
    if queue.running is not None and queue.running.prompt_id == job_id:
        interrupt()
        return True
    return queue.delete(job_id)


def _waiting(queue: PromptQueue) -> list[Json]:
    running = [queue.running] if queue.running else []
    return [
        *(_queued(item, "in_progress") for item in running),
        *(_queued(item, "pending") for item in queue.pending),
    ]


def _queued(item: QueueItem, status: str) -> Json:
    return _pruned(
        id=item.prompt_id,
        status=status,
        priority=item.number,
        create_time=item.extra_data.get("create_time"),
        outputs_count=0,
        previewable_outputs_count=0,
        workflow_id=_workflow_id(item.extra_data),
    )


def _finished(entry: Json) -> Json:
    number, prompt_id, _, extra_data, _ = entry["prompt"]
    messages = dict(entry["status"]["messages"])
    ends = [messages[event]["timestamp"] for event in END_EVENTS if event in messages]
    files = [
        {**item, "nodeId": node_id, "mediaType": media}
        for node_id, shown in entry["outputs"].items()
        for media, items in shown.items()
        if isinstance(items, list)
        for item in items
        if isinstance(item, dict)
    ]
    previewable = [file for file in files if file["mediaType"] in PREVIEWABLE]
    saved = [file for file in previewable if file.get("type") == "output"]
    return _pruned(
        id=prompt_id,
        status=_status(entry, messages),
        priority=number,
        create_time=extra_data.get("create_time"),
        execution_start_time=messages["execution_start"]["timestamp"],
        execution_end_time=ends[-1] if ends else None,
        execution_error=messages.get("execution_error"),
        outputs_count=len(files),
        previewable_outputs_count=len(previewable),
        preview_output=next(iter(saved or previewable), None),
        workflow_id=_workflow_id(extra_data),
    )


def _details(entry: Json) -> Json:
    _, _, graph, extra_data, _ = entry["prompt"]
    return {
        "outputs": entry["outputs"],
        "execution_status": entry["status"],
        "workflow": {"prompt": graph, "extra_data": extra_data},
    }


def _status(entry: Json, messages: Json) -> str:
    if entry["status"]["status_str"] == "success":
        return "completed"
    return "cancelled" if "execution_interrupted" in messages else "failed"


def _workflow_id(extra_data: Json) -> Any:
    return extra_data.get("extra_pnginfo", {}).get("workflow", {}).get("id")


def _pruned(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _created(job: Json) -> float:
    return float(job.get("create_time", 0))


def _duration(job: Json) -> float:
    start, end = job.get("execution_start_time", 0), job.get("execution_end_time", 0)
    return float(end - start) if start and end else 0.0


def _one_of(query: Mapping[str, str], name: str, allowed: tuple[str, str]) -> str:
    """The first of the two is the default."""
    value = query.get(name, allowed[0]).lower()
    if value not in allowed:
        raise BadQuery(f"{name} must be '{allowed[0]}' or '{allowed[1]}'")
    return value


def _whole(query: Mapping[str, str], name: str, minimum: int) -> int | None:
    if name not in query:
        return None
    try:
        value = int(query[name])
    except ValueError:
        raise BadQuery(f"{name} must be an integer") from None
    if name == "limit" and value < minimum:
        raise BadQuery("limit must be a positive integer")
    return max(value, minimum)
