"""The ComfyUI client, in two engines: one that runs workflows, one that only says so."""

import base64
import logging
import uuid
from pathlib import Path
from typing import Any, Protocol

import anyio.to_thread

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.errors import error_of_execution
from gpu_server.comfyui.following import RunningJob
from gpu_server.comfyui.outputs import output_files
from gpu_server.config import Engine, Settings
from gpu_server.errors import ComfyUIExecutionFailed
from gpu_server.workflows.graph import node_title, with_filename_prefix
from gpu_server.workflows.loader import load_workflow, read_graph, read_workflow
from gpu_server.workflows.parameters import bind

log = logging.getLogger(__name__)

PLACEHOLDER = "dummy_base64_placeholder"
OUTPUT_FOLDER = "gateway"
"""Where our save nodes write, inside ComfyUI's output folder."""


class ComfyClient(Protocol):
    """What the services need of an engine."""

    engine: Engine

    async def check_health(self) -> bool:
        """Whether ComfyUI answers within 5 s. Never raises."""

    def load_workflow(self, name: str) -> dict[str, Any]:
        """The workflow's graph."""

    async def execute_workflow(self, name: str, params: dict[str, Any]) -> str:
        """Run it, and return the first image in base64."""


class StubComfyClient:
    """Needs no ComfyUI, no GPU and no model, and makes no image."""

    engine = Engine.STUB

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
        log.info("Stub engine: workflow %r is not run, the answer is a placeholder", name)
        return PLACEHOLDER


class ComfyUIClient:
    """Runs workflows in a real ComfyUI."""

    engine = Engine.COMFYUI

    def __init__(self, api: ComfyUIAPI, workflows_path: Path, job_timeout: float) -> None:
        self._api = api
        self._workflows_path = workflows_path
        self._job_timeout = job_timeout

    async def check_health(self) -> bool:
        """Whether ComfyUI answers within 5 s. Never raises."""
        return await self._api.is_up()

    def load_workflow(self, name: str) -> dict[str, Any]:
        """The graph. Raises WorkflowNotFound, InvalidWorkflowName, WorkflowInvalid."""
        return read_graph(name, self._workflows_path)

    async def execute_workflow(self, name: str, params: dict[str, Any]) -> str:
        """Run the workflow with `params` bound, and return its first image in base64.

        Raises the errors of the loader, of binding, and of ComfyUI: see `gpu_server.errors`.
        """
        workflow = await anyio.to_thread.run_sync(read_workflow, name, self._workflows_path)
        bound = bind(workflow.graph, workflow.parameters, params)
        prompt_id = str(uuid.uuid4())
        log.info("Job %s: workflow %r, %s", prompt_id, name, sorted(bound.values))
        graph = with_filename_prefix(bound.graph, f"{OUTPUT_FOLDER}/{prompt_id}")
        entry = await RunningJob(self._api, graph, prompt_id).run(self._job_timeout)
        if error := error_of_execution(entry, {node: node_title(graph, node) for node in graph}):
            raise error
        files = output_files(entry)
        if not files:
            raise ComfyUIExecutionFailed(
                f"Workflow {name!r} ran and made no file. Give it a Save Image node."
            )
        return base64.b64encode(await self._api.view(files[0])).decode("ascii")


def create_comfy_client(settings: Settings, api: ComfyUIAPI) -> ComfyClient:
    """The engine that the settings name."""
    if settings.generation_engine is Engine.COMFYUI:
        return ComfyUIClient(api, settings.workflows_path, settings.job_timeout)
    return StubComfyClient(api, settings.workflows_path)
