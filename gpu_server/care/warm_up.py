"""A first run that nobody waits for: it leaves the model loaded."""

import asyncio
import base64
import io
import logging
from typing import Any

import anyio.to_thread
from PIL import Image

from gpu_server.background import BackgroundLoop
from gpu_server.comfy_client import JobRequest
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.definitions import NodeDefinitions
from gpu_server.comfyui.run import run_ids
from gpu_server.errors import ComfyUIError, GPUServiceError
from gpu_server.services.job import Job, JobState
from gpu_server.services.jobs import JobService
from gpu_server.workflows.folder import WorkflowFolder
from gpu_server.workflows.parameters import Parameter, ParameterType

log = logging.getLogger(__name__)

FEW_STEPS = 2
"""Loading the model is what takes the time; what comes of it is thrown away."""
CANVAS = (512, 512)


class WarmUp(BackgroundLoop):
    """Runs the workflow `name` in each ComfyUI that does not know of having run it.

    `connected` is set whenever there is a new connection to ComfyUI, which may be another one.
    """

    name = "warm-up"

    def __init__(
        self,
        workflow: str,
        jobs: JobService,
        api: ComfyUIAPI,
        folder: WorkflowFolder,
        definitions: NodeDefinitions,
        connected: asyncio.Event,
    ) -> None:
        super().__init__()
        self._workflow = workflow
        self._jobs = jobs
        self._api = api
        self._folder = folder
        self._definitions = definitions
        self._connected = connected
        self._last: Job | None = None

    async def _once(self) -> None:
        await self._connected.wait()
        self._connected.clear()
        try:
            if not await self._is_warm():
                await self._warm_up()
        except GPUServiceError as exc:
            self._warn(exc)

    async def _pause(self) -> None:
        """It waits before each time, the first too."""

    async def _is_warm(self) -> bool:
        if self._last is None:
            return False
        try:
            return any([await self._api.knows(each) for each in run_ids(self._last.id)])
        except ComfyUIError:  # It has gone again, and will come back.
            return True

    async def _warm_up(self) -> None:
        log.info("Warming up with %r", self._workflow)
        job = await self._jobs.run_spare(await self._request())
        if job is None:
            log.info("No warm-up: there are jobs already")
        elif job.error is not None:
            self._warn(job.error)
        elif job.state is JobState.DONE:
            self._last = job
            job.outputs = []
            log.info("Warmed up with %r", self._workflow)
        else:
            log.info("The warm-up has given way to a job")

    async def _request(self) -> JobRequest:
        """The workflow as it is, quickly done, with a grey image wherever it needs one."""
        workflow = await anyio.to_thread.run_sync(
            self._folder.read, self._workflow, self._definitions.current
        )
        values = {name: _value(each) for name, each in workflow.parameters.items()}
        return JobRequest(
            self._workflow, {name: each for name, each in values.items() if each is not None}
        )

    def _warn(self, error: GPUServiceError) -> None:
        log.warning(
            "The warm-up with %r failed: %s Repair the workflow, or set another WARMUP_WORKFLOW; "
            "jobs are not affected",
            self._workflow,
            error.message,
        )


def _value(parameter: Parameter) -> Any:
    """What the warm-up says of a parameter; None: nothing, as it is in the workflow."""
    if parameter.type is ParameterType.IMAGE and parameter.required:
        return _grey()
    if parameter.name == "steps" and isinstance(parameter.default, int):
        return min(parameter.default, max(FEW_STEPS, int(parameter.minimum or 0)))
    return None


def _grey() -> str:
    picture = io.BytesIO()
    Image.new("RGB", CANVAS, "grey").save(picture, "PNG")
    return base64.b64encode(picture.getvalue()).decode("ascii")
