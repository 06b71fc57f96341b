"""What this service can run."""

from pathlib import Path

import anyio.to_thread

from gpu_server.config import Engine
from gpu_server.errors import WorkflowInvalid
from gpu_server.schemas.catalogue import Catalogue, CatalogueEntry
from gpu_server.workflows.loader import read_workflow, workflow_names


class CatalogueService:
    """Reads the folder anew each time: a file dropped in is there at once."""

    def __init__(self, engine: Engine, workflows_path: Path) -> None:
        self._engine = engine
        self._workflows_path = workflows_path

    async def read(self) -> Catalogue:
        """Every workflow of the folder; a broken one appears with its error."""
        entries = await anyio.to_thread.run_sync(self._entries)
        return Catalogue(engine=self._engine.value, workflows=entries)

    def _entries(self) -> list[CatalogueEntry]:
        return [self._entry(name) for name in workflow_names(self._workflows_path)]

    def _entry(self, name: str) -> CatalogueEntry:
        try:
            workflow = read_workflow(name, self._workflows_path)
        except WorkflowInvalid as exc:
            return CatalogueEntry(name=name, error=exc.message)
        return CatalogueEntry(
            name=name,
            title=workflow.title,
            description=workflow.description,
            parameters=workflow.schema(),
        )
