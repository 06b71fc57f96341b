"""Routes under `/jobs`."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from gpu_server.comfy_client import JobRequest
from gpu_server.problems import PROBLEMS
from gpu_server.routers.signed import SIGNED
from gpu_server.routers.streaming import LastEventId, WantsEvents, server_sent_events
from gpu_server.schemas.job import JobRequestBody, JobResponse
from gpu_server.services.job import Job
from gpu_server.state import State

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=PROBLEMS, dependencies=[SIGNED])


@router.put(
    "/{job_id}",
    response_model=JobResponse,
    responses={201: {"model": JobResponse, "description": "Started"}},
)
async def put(
    job_id: UUID, body: JobRequestBody, state: State, response: Response, streams: WantsEvents
) -> JobResponse | Response:
    """Start a job under this id; the same id again is the same job.

    With `Accept: text/event-stream` the answer is the job's story, as at `/jobs/{id}/events`.
    """
    request = JobRequest(body.workflow, body.params, body.options())
    job, is_new = await state.jobs.put(str(job_id), request, resume=body.resume)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/jobs/{job_id}"
    return server_sent_events(job.events.read(), response) if streams else _shown(job)


@router.get("/{job_id}")
async def get(job_id: UUID, state: State) -> JobResponse:
    """A job as it stands."""
    return _shown(state.jobs.get(str(job_id)))


@router.delete("/{job_id}")
async def cancel(job_id: UUID, state: State) -> JobResponse:
    """Take a job out of ComfyUI, waiting or running; one that has ended stays as it is."""
    return _shown(await state.jobs.cancel(str(job_id)))


@router.get("/{job_id}/events", response_class=StreamingResponse)
async def events(job_id: UUID, state: State, after: LastEventId) -> StreamingResponse:
    """The job's story as server-sent events, until it ends; resumes with `Last-Event-ID`."""
    return server_sent_events(state.jobs.get(str(job_id)).events.read(after))


@router.get("/{job_id}/outputs/{number}", response_class=Response)
async def output(job_id: UUID, number: int, state: State) -> Response:
    """One file that the job made, from 0."""
    made = state.jobs.output(str(job_id), number)
    return Response(made.data, media_type=made.content_type)


def _shown(job: Job) -> JobResponse:
    return JobResponse.model_validate(job.document())
