"""Running a workflow for a caller who waits, a bounded number at once."""

import logging

import anyio

from gpu_server.comfy_client import ComfyClient
from gpu_server.errors import ComfyUIExecutionFailed
from gpu_server.schemas.generate_request import GenerateRequest
from gpu_server.schemas.generate_response import GenerateResponse
from gpu_server.utils.logging import describe

log = logging.getLogger(__name__)


class GenerationService:
    """The blocking call of the specification, on top of an engine."""

    def __init__(self, client: ComfyClient, max_concurrent_tasks: int) -> None:
        self._client = client
        self._slots = anyio.Semaphore(max_concurrent_tasks)

    async def generate(self, request: GenerateRequest) -> GenerateResponse:
        """Run the workflow and return its first image.

        A job that ran and failed is an answer, `failed`; one that could not run is raised.
        """
        log.info(
            "Generate: workflow=%r params=%s",
            request.workflow,
            describe(request.params, whole=log.isEnabledFor(logging.DEBUG)),
        )
        try:
            async with self._slots:
                image = await self._client.execute_workflow(request.workflow, request.params)
        except ComfyUIExecutionFailed as exc:
            log.warning("Workflow %r failed: %s", request.workflow, exc)
            return GenerateResponse(status="failed", error=exc.message)
        return GenerateResponse(status="done", image=image)
