"""What can be asked for: the backend's copy of the GPU service's catalogue."""

import logging
from collections.abc import Mapping
from typing import Any

from backend.clients.gpu_client import GPUClient
from backend.errors import GPUServiceError, InvalidInput, ModeNotFound, UnknownMode
from backend.schemas.catalogue import Catalogue, CatalogueEntry
from backend.schemas.response_mode import ModeResponse, ModesResponse
from backend.services.parameters import check_parameters

log = logging.getLogger(__name__)


class ModeCatalogue:
    """Modes and the workflows behind them.

    While the copy is missing (no GPU service has answered yet) or the engine is the stub, any
    mode is taken, as the specification says.
    """

    def __init__(self, client: GPUClient, mode_workflows: Mapping[str, str]) -> None:
        self._client = client
        self._mode_workflows = dict(mode_workflows)
        self._engine: str | None = None
        self._entries: dict[str, CatalogueEntry] = {}

    @property
    def binding(self) -> bool:
        """Whether requests are held against the catalogue."""
        return self._engine == "comfyui"

    def workflow(self, mode: str) -> str:
        """The workflow that the mode's name stands for."""
        return self._mode_workflows.get(mode, mode)

    def parameters(self, mode: str) -> Mapping[str, Any]:
        """JSON Schema of the mode's parameters; empty where it is not known."""
        entry = self._entries.get(self.workflow(mode))
        return (entry.parameters if entry else None) or {}

    def timeout(self, workflow: str) -> float | None:
        """Seconds that the workflow may run, where its author says so."""
        entry = self._entries.get(workflow)
        return entry.timeout if entry else None

    def modes(self) -> list[str]:
        """The modes that have a workflow, by the names that clients use."""
        named = {mode for mode, name in self._mode_workflows.items() if name in self._entries}
        return sorted(named | self._entries.keys() - set(self._mode_workflows.values()))

    def show(self) -> ModesResponse:
        """All modes."""
        return ModesResponse(
            engine=self._engine, modes=[self.show_one(mode) for mode in self.modes()]
        )

    def show_one(self, mode: str) -> ModeResponse:
        """One mode. Raises ModeNotFound."""
        entry = self._entries.get(self.workflow(mode))
        if entry is None:
            raise ModeNotFound(self._no_such(mode), available=self.modes())
        return ModeResponse(
            mode=mode, workflow=entry.name, **entry.model_dump(exclude={"name", "timeout"})
        )

    async def refresh(self, *, anew: bool = False) -> None:
        """Ask the GPU service; where it does not answer, the copy stays.

        With `anew`, ComfyUI is asked too: a model may have been installed.
        """
        try:
            copy = await self._client.catalogue(anew=anew)
        except (GPUServiceError, ValueError) as exc:
            log.debug("No catalogue: %s", exc)
            return
        if copy is not None:
            self._take(copy)

    def _take(self, copy: Catalogue) -> None:
        if copy.engine != self._engine:
            log.info("GPU service: engine %s, %d workflows", copy.engine, len(copy.workflows))
        self._engine = copy.engine
        self._entries = {entry.name: entry for entry in copy.workflows}

    async def check(self, mode: str) -> None:
        """Raise UnknownMode, naming the modes, where the catalogue knows no such workflow."""
        if self._has(mode):
            return
        await self.refresh()  # A file may have been dropped in this very moment.
        if self.binding and not self._has(mode):
            raise UnknownMode(self._no_such(mode), parameter="mode", available=self.modes())

    async def check_parameters(self, mode: str, values: Mapping[str, Any]) -> None:
        """Raise InvalidInput, naming the parameter, for what the mode's workflow cannot take.

        A broken workflow has no parameters to check: the GPU service says what is wrong with it.
        """
        try:
            self._check_parameters(mode, values)
        except InvalidInput:
            await self.refresh(anew=True)
            self._check_parameters(mode, values)

    def _check_parameters(self, mode: str, values: Mapping[str, Any]) -> None:
        if schema := self.parameters(mode):
            check_parameters(schema, values)

    def _has(self, mode: str) -> bool:
        return not self.binding or self.workflow(mode) in self._entries

    def _no_such(self, mode: str) -> str:
        return f"There is no mode {mode[:100]!r}. Modes: {', '.join(self.modes()) or 'none'}."
