"""The ComfyUI client, in two engines: one that runs workflows, one that only says so."""

import base64
import hashlib
import logging
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import anyio.to_thread

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.conversion import AS_MADE, OutputOptions, as_wanted
from gpu_server.comfyui.definitions import NodeDefinitions
from gpu_server.comfyui.hearing import Patience, RunObserver
from gpu_server.comfyui.inputs import CheckedImage, InputImages
from gpu_server.comfyui.messages import ImageFrame
from gpu_server.comfyui.outputs import JobOutput, fetch_outputs
from gpu_server.comfyui.run import GraphRun, cancel_in_comfyui, run_ids
from gpu_server.comfyui.socket import ComfyUISocket
from gpu_server.config import Engine
from gpu_server.errors import ComfyUIExecutionFailed, InvalidParameter
from gpu_server.large_texts import fingerprint
from gpu_server.workflows.folder import WorkflowFolder
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.loader import load_workflow
from gpu_server.workflows.parameters import SEED_LIMIT, bind
from gpu_server.workflows.workflow import Workflow

log = logging.getLogger(__name__)

PLACEHOLDER = "dummy_base64_placeholder"
PLACEHOLDER_TYPE = "text/x-placeholder"


@dataclass(frozen=True)
class JobRequest:
    """What a caller wants to have run."""

    workflow: str
    params: Mapping[str, Any]
    options: OutputOptions = AS_MADE

    @cached_property
    def digest(self) -> str:
        """The same for the same request. Its images may be large: nobody keeps them to compare."""
        return fingerprint([self.workflow, dict(self.params), asdict(self.options)])


@dataclass(frozen=True)
class PreparedJob:
    """A request that has been checked and can run, under an id of its own."""

    id: str
    request: JobRequest
    values: dict[str, Any] = field(default_factory=dict)
    """What it will run with: the caller's values, images by name, and the seeds that we drew."""
    workflow: Workflow | None = None
    images: Mapping[str, CheckedImage] = field(default_factory=dict)


class ComfyClient(Protocol):
    """What the services need of an engine."""

    engine: Engine

    @property
    def alive(self) -> bool:
        """Whether what it does in the background goes on."""

    @property
    def listening(self) -> bool:
        """Whether ComfyUI's messages arrive right now."""

    async def check_health(self) -> bool:
        """Whether ComfyUI answers within 5 s. Never raises."""

    def load_workflow(self, name: str) -> dict[str, Any]:
        """The workflow's graph."""

    async def execute_workflow(self, name: str, params: dict[str, Any]) -> str:
        """Run it, and return the first image in base64."""

    async def prepare(self, job_id: str, request: JobRequest) -> PreparedJob:
        """Check all that can be checked before anything is spent."""

    async def run(
        self, job: PreparedJob, observer: RunObserver, *, resume: bool = False
    ) -> list[JobOutput]:
        """Run it to its end; with `resume`, first look for an earlier process's run of it."""

    async def cancel_left(self, job_id: str) -> None:
        """Stop what an earlier process may have left running under this id. Never raises."""


class StubComfyClient:
    """Needs no ComfyUI, no GPU and no model, and makes no image."""

    engine = Engine.STUB
    alive = True
    listening = False

    def __init__(self, api: ComfyUIAPI, workflows_path: Path) -> None:
        self._api = api
        self._workflows_path = workflows_path

    async def check_health(self) -> bool:
        """Whether ComfyUI answers, though this engine never calls it."""
        return await self._api.is_up()

    def load_workflow(self, name: str) -> dict[str, Any]:
        """The graph, or an empty template where there is no such file."""
        return load_workflow(name, self._workflows_path)

    async def execute_workflow(self, name: str, params: dict[str, Any]) -> str:
        """The placeholder, at once."""
        log.info("Stub engine: workflow %.100r is not run, the answer is a placeholder", name)
        return PLACEHOLDER

    async def prepare(self, job_id: str, request: JobRequest) -> PreparedJob:
        """Any workflow name will do, and any parameters."""
        return PreparedJob(job_id, request, dict(request.params))

    async def run(
        self, job: PreparedJob, observer: RunObserver, *, resume: bool = False
    ) -> list[JobOutput]:
        """The placeholder, under a type of its own: it must never pass for an image."""
        observer.started()
        text = await self.execute_workflow(job.request.workflow, dict(job.request.params))
        return [JobOutput("stub", "placeholder", PLACEHOLDER_TYPE, text.encode())]

    async def cancel_left(self, job_id: str) -> None:
        """Nothing is ever left."""


class ComfyUIClient:
    """Runs workflows in a real ComfyUI."""

    engine = Engine.COMFYUI

    def __init__(
        self,
        api: ComfyUIAPI,
        socket: ComfyUISocket,
        definitions: NodeDefinitions,
        images: InputImages,
        folder: WorkflowFolder,
        job_timeout: float,
        patience: Patience | None = None,
    ) -> None:
        self._api = api
        self._socket = socket
        self._definitions = definitions
        self._images = images
        self._folder = folder
        self._job_timeout = job_timeout
        self._patience = patience

    @property
    def alive(self) -> bool:
        """Whether its socket still tries to be open."""
        return self._socket.alive

    @property
    def listening(self) -> bool:
        """Whether its socket is open."""
        return self._socket.is_open

    async def cancel_left(self, job_id: str) -> None:
        """Stop what an earlier process may have left in ComfyUI under this id. Never raises."""
        await cancel_in_comfyui(self._api, job_id, run_ids(job_id))

    async def check_health(self) -> bool:
        """Whether ComfyUI answers within 5 s. Never raises."""
        return await self._api.is_up()

    def load_workflow(self, name: str) -> dict[str, Any]:
        """The graph. Raises WorkflowNotFound, InvalidWorkflowName, WorkflowInvalid."""
        return self._folder.read(name, self._definitions.current).graph

    async def execute_workflow(self, name: str, params: dict[str, Any]) -> str:
        """Run the workflow with `params` bound, and return its first image in base64.

        Raises the errors of the loader, of binding, and of ComfyUI: see `gpu_server.errors`.
        """
        job = await self.prepare(str(uuid.uuid4()), JobRequest(name, params))
        outputs = await self.run(job, Unobserved())
        return base64.b64encode(outputs[0].data).decode("ascii")

    async def prepare(self, job_id: str, request: JobRequest) -> PreparedJob:
        """The workflow read, the values checked and the images decoded.

        Raises WorkflowNotFound, InvalidWorkflowName, WorkflowInvalid, InvalidParameter.
        """
        try:
            return await self._prepare(job_id, request)
        except InvalidParameter:
            # A model may have been installed since we asked what there is.
            if not await self._definitions.refresh_if_old():
                raise
            return await self._prepare(job_id, request)

    async def _prepare(self, job_id: str, request: JobRequest) -> PreparedJob:
        workflow = await anyio.to_thread.run_sync(
            self._folder.read, request.workflow, self._definitions.current
        )
        images = await self._images.check(workflow.parameters, request.params)
        named = {**request.params, **{name: image.name for name, image in images.items()}}
        bound = bind(workflow.graph, workflow.parameters, named, seed=seed_of(job_id))
        return PreparedJob(job_id, request, bound.values, workflow, images)

    async def run(
        self, job: PreparedJob, observer: RunObserver, *, resume: bool = False
    ) -> list[JobOutput]:
        """Run it to its end, and return all that it made.

        Raises ComfyUIError's subclasses and WorkflowInvalid.
        """
        workflow = job.workflow
        assert workflow is not None, "prepared by another engine"  # noqa: S101

        async def bound(number: int) -> Graph:
            """For each run anew: a ComfyUI that has lost the job may have lost its inputs too."""
            placed = await self._images.place(job.images, anew=number > 0)
            return bind(workflow.graph, workflow.parameters, {**job.values, **placed}).graph

        run = GraphRun(
            self._api,
            self._socket,
            workflow.graph,
            bound,
            job.id,
            observer,
            outputs=tuple(output.node for output in workflow.outputs),
            patience=self._patience,
        )
        result = await run.run(workflow.timeout or self._job_timeout, resume=resume)
        outputs = await fetch_outputs(
            self._api,
            result,
            only=workflow.output_nodes,
        )
        if not outputs:
            raise ComfyUIExecutionFailed(
                f"Workflow {workflow.name!r} ran and made no file. Give it a Save Image node."
            )
        wanted = job.request.options
        return [await anyio.to_thread.run_sync(as_wanted, each, wanted) for each in outputs]


class Unobserved:
    """For a run that nobody watches."""

    abandoned = False

    def queued(self, position: int) -> None:
        """Nobody asks."""

    def started(self) -> None:
        """Nobody asks."""

    def progressed(self, value: float, node_id: str | None, node_title: str | None) -> None:
        """Nobody asks."""

    def previewed(self, frame: ImageFrame) -> None:
        """Nobody asks."""

    def submitted_again(self, reason: str) -> None:
        """Nobody asks."""


def seed_of(job_id: str) -> int:
    """The seed of a job that was given none: always the same for the same id."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big") % SEED_LIMIT
