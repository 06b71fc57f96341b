"""Running a workflow for a caller who waits, a bounded number at once."""

import asyncio
import logging

from gpu_server.comfy_client import ComfyClient
from gpu_server.errors import ComfyUIExecutionFailed, ServiceStopping
from gpu_server.schemas.generate_request import GenerateRequest
from gpu_server.schemas.generate_response import GenerateResponse
from gpu_server.utils.logging import describe

log = logging.getLogger(__name__)


class GenerationService:
    """The blocking call of the specification, on top of an engine."""

    def __init__(self, client: ComfyClient, max_concurrent_tasks: int) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(max_concurrent_tasks)
        self._running: set[asyncio.Task[str]] = set()
        self._stopping = False

    def stop(self) -> None:
        """Take what runs out of ComfyUI again, and run nothing more: the process ends."""
        self._stopping = True
        for task in self._running:
            task.cancel()

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
            image = await self._run(request)
        except ComfyUIExecutionFailed as exc:
            log.warning("Workflow %r failed: %s", request.workflow, exc)
            return GenerateResponse(status="failed", error=exc.message)
        return GenerateResponse(status="done", image=image)

    async def _run(self, request: GenerateRequest) -> str:
        task = asyncio.create_task(self._in_slot(request), name=f"generate {request.workflow}")
        self._running.add(task)
        try:
            return await task
        except asyncio.CancelledError as exc:
            if not self._stopping:
                raise
            raise ServiceStopping("The GPU service stops. Send the request again.") from exc
        finally:
            self._running.discard(task)
            task.cancel()

    async def _in_slot(self, request: GenerateRequest) -> str:
        async with self._slots:
            if self._stopping:
                raise ServiceStopping("The GPU service stops. Send the request again.")
            return await self._client.execute_workflow(request.workflow, request.params)
