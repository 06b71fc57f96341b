"""What can be asked for: the modes of all GPU services together."""

from collections.abc import Mapping
from typing import Any

from backend.errors import CatalogueIncomplete, InvalidInput, ModeNotFound, UnknownMode
from backend.schemas.catalogue import CatalogueEntry
from backend.schemas.response_mode import ModeResponse, ModesResponse
from backend.services.gpu_services import GPUServices, properties
from backend.services.parameters import check_parameters


class ModeCatalogue:
    """Modes and the workflows behind them.

    While no GPU service has answered yet, or the engine is the stub, any mode is taken, as the
    specification says.
    """

    def __init__(self, services: GPUServices, mode_workflows: Mapping[str, str]) -> None:
        self._services = services
        self._mode_workflows = dict(mode_workflows)

    @property
    def engine(self) -> str | None:
        """`comfyui` where one GPU service has it, else `stub`; None while none has answered."""
        return self._engine()

    @property
    def binding(self) -> bool:
        """Whether requests are held against the catalogue."""
        return self._engine() == "comfyui"

    def workflow(self, mode: str) -> str:
        """The workflow that the mode's name stands for."""
        return self._mode_workflows.get(mode, mode)

    def knows(self, mode: str) -> bool:
        """Whether the mode is one that there is, whatever the engine takes beside."""
        known = mode in self._mode_workflows
        return known or any(mode in each.entries for each in self._services)

    def parameters(self, mode: str) -> Mapping[str, Any]:
        """JSON Schema of the mode's parameters; empty where it is not known."""
        entry = self._entry(self.workflow(mode))
        return (entry.parameters if entry else None) or {}

    def timeout(self, workflow: str) -> float | None:
        """Seconds that the workflow may run, where its author says so."""
        entry = self._entry(workflow)
        return entry.timeout if entry else None

    def modes(self) -> list[str]:
        """The modes that have a workflow, by the names that clients use."""
        workflows = {name for each in self._services for name in each.entries}
        named = {mode for mode, name in self._mode_workflows.items() if name in workflows}
        return sorted(named | workflows - set(self._mode_workflows.values()))

    def offered(self) -> list[str]:
        """The modes; while no workflows are known, those that the settings name."""
        return self.modes() or sorted(self._mode_workflows)

    def show(self) -> ModesResponse:
        """All modes."""
        return ModesResponse(
            engine=self._engine(), modes=[self.show_one(mode) for mode in self.modes()]
        )

    def show_one(self, mode: str) -> ModeResponse:
        """One mode. Raises ModeNotFound."""
        entry = self._entry(self.workflow(mode))
        if entry is None:
            raise ModeNotFound(self._no_such(mode), available=self.modes())
        return ModeResponse(
            mode=mode, workflow=entry.name, **entry.model_dump(exclude={"name", "timeout"})
        )

    async def check(self, mode: str) -> None:
        """Raise UnknownMode, naming the modes, where the catalogue knows no such workflow."""
        if self._has(mode):
            return
        await self._services.refresh()  # A file may have been dropped in this very moment.
        if self.binding and not self._has(mode):
            self._refuse_to_judge(self._no_such(mode))
            raise UnknownMode(self._no_such(mode), parameter="mode", available=self.modes())

    async def check_parameters(self, mode: str, values: Mapping[str, Any]) -> None:
        """Raise InvalidInput, naming the parameter, for what the mode's workflow cannot take.

        A broken workflow has no parameters to check: the GPU service says what is wrong with it.
        Raises CatalogueIncomplete where that one may take it which has not answered yet.
        """
        try:
            self._check_parameters(mode, values)
        except InvalidInput:
            await self._services.refresh(anew=True)
            try:
                self._check_parameters(mode, values)
            except InvalidInput as exc:
                self._refuse_to_judge(exc.message)
                raise

    def _refuse_to_judge(self, reason: str) -> None:
        """Raise CatalogueIncomplete where a GPU service has not said yet what it has."""
        if unknown := self._services.unknown:
            raise CatalogueIncomplete(
                f"{reason} But {', '.join(unknown)} has not answered yet: try again later."
            )

    def _check_parameters(self, mode: str, values: Mapping[str, Any]) -> None:
        if schema := self.parameters(mode):
            check_parameters(schema, values)
            self._check_together(self.workflow(mode), values)

    def _check_together(self, workflow: str, values: Mapping[str, Any]) -> None:
        """Each choice is somewhere; all of them have to be on one GPU service."""
        needs = self._services.needs(workflow, values)
        if needs and not any(
            each.engine == "comfyui" and each.can_run(workflow, needs) for each in self._services
        ):
            raise InvalidInput(
                f"No GPU service has all of these together: {', '.join(map(str, needs.values()))}.",
                parameter=next(iter(needs)),
            )

    def _engine(self) -> str | None:
        engines = {each.engine for each in self._services}
        return "comfyui" if "comfyui" in engines else "stub" if "stub" in engines else None

    def _entry(self, workflow: str) -> CatalogueEntry | None:
        """The workflow as all GPU services together have it."""
        entries = [each.entries[workflow] for each in self._services if workflow in each.entries]
        return _together(entries) if entries else None

    def _has(self, mode: str) -> bool:
        return not self.binding or self._entry(self.workflow(mode)) is not None

    def _no_such(self, mode: str) -> str:
        return f"There is no mode {mode[:100]!r}. Modes: {', '.join(self.modes()) or 'none'}."


def _together(entries: list[CatalogueEntry]) -> CatalogueEntry:
    """The entry that lacks least, with the choices of all."""
    entries = sorted(entries, key=_lack)
    best = entries[0]
    if len(entries) == 1 or best.parameters is None:
        return best
    choices = {name: _choices(name, entries) for name in properties(best)}
    merged = {
        name: {**rule, "enum": choices[name]} if "enum" in rule else rule
        for name, rule in properties(best).items()
    }
    return best.model_copy(
        update={
            "parameters": {**best.parameters, "properties": merged},
            "timeout": max((each.timeout for each in entries if each.timeout), default=None),
        }
    )


def _lack(entry: CatalogueEntry) -> tuple[bool, int]:
    return entry.error is not None, len(entry.missing_nodes) + len(entry.missing_models)


def _choices(name: str, entries: list[CatalogueEntry]) -> list[Any]:
    rules = [properties(entry).get(name, {}) for entry in entries]
    return list(dict.fromkeys(value for rule in rules for value in rule.get("enum", ())))
