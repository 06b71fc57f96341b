"""What this service can run."""

import hashlib

import anyio.to_thread

from gpu_server.comfyui.definitions import NodeDefinitions
from gpu_server.config import Engine
from gpu_server.errors import WorkflowInvalid, WorkflowNotFound
from gpu_server.schemas.catalogue import (
    Catalogue,
    CatalogueEntry,
    MissingModelEntry,
    MissingNodeEntry,
    OutputNodeEntry,
)
from gpu_server.workflows.folder import WorkflowFolder
from gpu_server.workflows.workflow import Workflow


class CatalogueService:
    """Reads the folder as it is: a file dropped in, changed or removed is seen at once."""

    def __init__(
        self, engine: Engine, folder: WorkflowFolder, definitions: NodeDefinitions
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._definitions = definitions

    async def read(self) -> Catalogue:
        """Every workflow of the folder; a broken one appears with its error."""
        entries = await anyio.to_thread.run_sync(self._entries)
        return Catalogue(engine=self._engine.value, workflows=entries)

    async def read_one(self, name: str) -> CatalogueEntry:
        """One workflow. Raises WorkflowNotFound, InvalidWorkflowName."""
        return await anyio.to_thread.run_sync(self._entry, name)

    async def refresh(self) -> None:
        """Ask ComfyUI what it has by now, unless that was done a moment ago."""
        if self._engine is Engine.COMFYUI:
            await self._definitions.refresh_if_old()

    async def version(self) -> str:
        """Another one whenever the catalogue may read otherwise than before."""
        return await anyio.to_thread.run_sync(self._version)

    def _entries(self) -> list[CatalogueEntry]:
        entries = []
        for name in self._folder.names():
            try:
                entries.append(self._entry(name))
            except WorkflowNotFound:
                continue  # Removed in this very moment.
        return entries

    def _entry(self, name: str) -> CatalogueEntry:
        try:
            workflow = self._folder.read(name, self._definitions.current)
        except WorkflowInvalid as exc:
            return CatalogueEntry(name=name, error=exc.message)
        return _entry_of(workflow)

    def _version(self) -> str:
        told = repr((self._engine, self._definitions.version, self._folder.stamps()))
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def _entry_of(workflow: Workflow) -> CatalogueEntry:
    return CatalogueEntry(
        name=workflow.name,
        title=workflow.title,
        description=workflow.description,
        parameters=workflow.schema(),
        outputs=[OutputNodeEntry.model_validate(each) for each in workflow.outputs],
        missing_nodes=[MissingNodeEntry.model_validate(each) for each in workflow.missing.nodes],
        timeout=workflow.timeout,
        missing_models=[MissingModelEntry.model_validate(each) for each in workflow.missing.models],
    )
