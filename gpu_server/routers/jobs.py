"""Routes under `/jobs`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Response
from fastapi.responses import StreamingResponse

from gpu_server.comfy_client import JobRequest
from gpu_server.errors import JobConflict, JobNotFound, NoFreeSlot, OutputNotFound
from gpu_server.problem_docs import RUNNING, SIGNED, problems
from gpu_server.routers.body_route import BodyRoute
from gpu_server.routers.streaming import EVENT, LastEventId, WantsEvents, server_sent_events
from gpu_server.schemas.job import JobRequestBody, JobResponse
from gpu_server.services.job import Job
from gpu_server.state import State

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=BodyRoute)


OF_A_JOB = problems(JobNotFound, *SIGNED)
EVENTS = {"text/event-stream": {"schema": EVENT}}
"""Copied wherever it is used: the framework writes into what it is given."""
STORY: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events.", "content": {**EVENTS}}
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, of the type that the job's `outputs` say.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
JobId = Annotated[UUID, Path(description="The caller's own.")]
Number = Annotated[int, Path(description="Of the output, from 0.")]


@router.put(
    "/{job_id}",
    response_model=JobResponse,
    responses={
        **problems(JobConflict, NoFreeSlot, *RUNNING, *SIGNED, body=True),
        200: {"model": JobResponse, "description": "There already", "content": {**EVENTS}},
        201: {"model": JobResponse, "description": "Started", "content": {**EVENTS}},
    },
)
async def put(
    job_id: JobId, body: JobRequestBody, state: State, response: Response, streams: WantsEvents
) -> JobResponse | Response:
    """Start a job under this id; the same id again is the same job.

    With `Accept: text/event-stream` the answer is the job's story, as at `/jobs/{id}/events`.
    """
    request = JobRequest(body.workflow, body.params, body.options())
    job, is_new = await state.jobs.put(str(job_id), request, resume=body.resume)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/jobs/{job_id}"
    return server_sent_events(job.events.read(), response) if streams else _shown(job)


@router.get("/{job_id}", responses=OF_A_JOB)
async def get(job_id: JobId, state: State) -> JobResponse:
    """A job as it stands."""
    return _shown(state.jobs.get(str(job_id)))


@router.delete("/{job_id}", responses=OF_A_JOB)
async def cancel(job_id: JobId, state: State) -> JobResponse:
    """Take a job out of ComfyUI, waiting or running; one that has ended stays as it is."""
    return _shown(await state.jobs.cancel(str(job_id)))


@router.get("/{job_id}/events", response_class=StreamingResponse, responses=OF_A_JOB | STORY)
async def events(job_id: JobId, state: State, after: LastEventId) -> StreamingResponse:
    """The job's story as server-sent events, until it ends; resumes with `Last-Event-ID`."""
    return server_sent_events(state.jobs.get(str(job_id)).events.read(after))


@router.get(
    "/{job_id}/outputs/{number}",
    response_class=Response,
    responses=problems(JobNotFound, OutputNotFound, *SIGNED) | FILE,
)
async def output(job_id: JobId, number: Number, state: State) -> Response:
    """One file that the job made, from 0."""
    made = state.jobs.output(str(job_id), number)
    return Response(made.data, media_type=made.content_type)


def _shown(job: Job) -> JobResponse:
    return JobResponse.model_validate(job.document())
