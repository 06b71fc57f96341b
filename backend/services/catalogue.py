"""What can be asked for: the backend's copy of the GPU service's catalogue."""

import logging
from collections.abc import Mapping

from backend.clients.gpu_client import GPUClient
from backend.errors import GPUServiceError, UnknownMode
from backend.schemas.catalogue import Catalogue

log = logging.getLogger(__name__)


class ModeCatalogue:
    """Modes and the workflows behind them.

    While the copy is missing (no GPU service has answered yet) or the engine is the stub, any
    mode is taken, as the specification says.
    """

    def __init__(self, client: GPUClient, mode_workflows: Mapping[str, str]) -> None:
        self._client = client
        self._mode_workflows = dict(mode_workflows)
        self._copy: Catalogue | None = None

    @property
    def binding(self) -> bool:
        """Whether requests are held against the catalogue."""
        return self._copy is not None and self._copy.engine == "comfyui"

    def workflow(self, mode: str) -> str:
        """The workflow that the mode's name stands for."""
        return self._mode_workflows.get(mode, mode)

    def modes(self) -> list[str]:
        """The modes that have a workflow."""
        if self._copy is None:
            return []
        names = {entry.name for entry in self._copy.workflows}
        named = {mode for mode, name in self._mode_workflows.items() if name in names}
        return sorted(named | names - set(self._mode_workflows.values()))

    async def refresh(self) -> None:
        """Ask the GPU service anew; where it does not answer, the copy stays."""
        try:
            copy = await self._client.catalogue()
        except (GPUServiceError, ValueError) as exc:
            log.debug("No catalogue: %s", exc)
            return
        if self._copy is None or copy.engine != self._copy.engine:
            log.info("GPU service: engine %s, %d workflows", copy.engine, len(copy.workflows))
        self._copy = copy

    async def check(self, mode: str) -> None:
        """Raise UnknownMode, naming the modes, where the catalogue knows no such workflow."""
        if not self.binding or self._has(mode):
            return
        await self.refresh()  # A file may have been dropped in this very moment.
        if self.binding and not self._has(mode):
            modes = self.modes()
            raise UnknownMode(
                f"There is no mode {mode[:100]!r}. Modes: {', '.join(modes) or 'none'}.",
                parameter="mode",
                available=modes,
            )

    def _has(self, mode: str) -> bool:
        name = self.workflow(mode)
        return any(entry.name == name for entry in (self._copy.workflows if self._copy else ()))
