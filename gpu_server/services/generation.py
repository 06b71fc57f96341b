"""The specification's blocking call, on top of the jobs."""

import base64

from gpu_server.comfy_client import PLACEHOLDER_TYPE, JobRequest
from gpu_server.errors import ComfyUIExecutionFailed
from gpu_server.schemas.generate_request import GenerateRequest
from gpu_server.schemas.generate_response import GenerateResponse
from gpu_server.services.job import Job
from gpu_server.services.jobs import JobService

TEXT = "text/plain"
NO_IMAGE = "The workflow made text and no image: run it as a job (PUT /jobs/{id}), which tells all."


class GenerationService:
    """Runs a workflow for a caller who waits."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    async def generate(self, request: GenerateRequest) -> GenerateResponse:
        """Run the workflow and return its first image.

        A job that ran and failed is an answer, `failed`; one that could not run is raised.
        """
        job = await self._jobs.run(JobRequest(request.workflow, request.params))
        if isinstance(job.error, ComfyUIExecutionFailed):
            return GenerateResponse(status="failed", error=job.error.message)
        if job.error is not None:
            raise job.error
        if not job.outputs:
            return GenerateResponse(status="failed", error="The job was cancelled.")
        if job.outputs[0].content_type.startswith(TEXT):
            return GenerateResponse(status="failed", error=NO_IMAGE)
        return GenerateResponse(status="done", image=_first_image(job))


def _first_image(job: Job) -> str:
    """Base64; the stub's placeholder as the word it is."""
    first = job.outputs[0]
    if first.content_type == PLACEHOLDER_TYPE:
        return first.data.decode()
    return base64.b64encode(first.data).decode("ascii")
