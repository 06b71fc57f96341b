"""The GPU services that there are, and what each of them can run."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from backend.clients.gpu_client import GPUClient
from backend.errors import GPUServiceError
from backend.schemas.catalogue import Catalogue, CatalogueEntry
from backend.store.task_store import Serves
from backend.tasks import Job

log = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
ASK_SECONDS, ANEW_SECONDS = 3.0, 10.0


SIGNATURE_CODES = frozenset({"signature_missing", "signature_invalid", "signature_expired"})
"""Of a GPU service that takes no request of ours."""


class GPUService:
    """One of them: its client, and a copy of its catalogue that outlives its absence."""

    def __init__(self, client: GPUClient) -> None:
        self.client = client
        self.engine: str | None = None
        """`stub` or `comfyui`; None where it has never answered."""
        self.entries: dict[str, CatalogueEntry] = {}
        self.away = False
        """It did not answer when it was last needed."""
        self.refused = False
        """It takes no request of ours: our GPU_SERVICE_SECRET is not its own."""
        self._silent = False

    @property
    def url(self) -> str:
        """Its name, too: what a task's `service` says."""
        return self.client.url

    @property
    def answers(self) -> bool:
        """Whether it did when it was last asked what it can run."""
        return self.engine is not None and not self._silent

    async def can_work(self) -> bool:
        """Whether it answers, and its ComfyUI answers it. Never raises."""
        if not await self.client.check_health(with_comfyui=self.engine == "comfyui"):
            return False
        if self.refused:
            await self.refresh()
        return not self.refused

    async def refresh(self, *, anew: bool = False) -> None:
        """Ask it; where it does not answer, the copy stays.

        With `anew`, its ComfyUI is asked too: a model may have been installed.
        """
        try:
            copy = await self.client.catalogue(anew=anew)
        except (GPUServiceError, ValueError) as exc:
            self.refused = isinstance(exc, GPUServiceError) and exc.code in SIGNATURE_CODES
            if not self._silent:
                log.warning("GPU service %s: what only it can run waits: %s", self.url, exc)
            self._silent = True
            return
        if self._silent:
            log.info("GPU service %s answers again", self.url)
        self._silent = self.refused = False
        if copy is not None:
            self._take(copy)

    def _take(self, copy: Catalogue) -> None:
        if copy.engine != self.engine:
            log.info(
                "GPU service %s: engine %s, %d workflows",
                self.url,
                copy.engine,
                len(copy.workflows),
            )
        self.engine = copy.engine
        self.entries = {entry.name: entry for entry in copy.workflows}

    def can_run(self, workflow: str, needs: Mapping[str, Any]) -> bool:
        """Whether it has the workflow, its nodes, its models, and what is needed beside."""
        if self.engine != "comfyui":
            return True
        entry = self.entries.get(workflow)
        return entry is not None and _is_whole(entry) and meets(entry, needs)


class GPUServices:
    """All of them, in the order of the setting."""

    def __init__(self, services: Sequence[GPUService]) -> None:
        self._services = list(services)

    def __iter__(self) -> Iterator[GPUService]:
        return iter(self._services)

    def serves(self, service: GPUService) -> Serves:
        """What one of them is to be given: what it can run, or what nobody can.

        The latter so that a client learns from it why. A stub among real ones gets nothing: a
        placeholder must not pass for an image. Of several, one that has never answered gets
        nothing, either.
        """

        def served(workflow: str, needs: Mapping[str, Any]) -> bool:
            if service.engine is None and len(self._services) > 1:
                return False  # Not known yet: another may be the one that can run it.
            if service.engine != "comfyui":
                return not any(each.engine == "comfyui" for each in self._services)
            if service.can_run(workflow, needs):
                return True
            return not self.unknown and not any(
                each.engine == "comfyui" and each.can_run(workflow, needs)
                for each in self._services
            )

        return served

    def answering(self) -> int:
        """How many of them answer."""
        return sum(each.answers for each in self._services)

    @property
    def unknown(self) -> list[str]:
        """URLs of those that have not answered since we started: they may have anything."""
        return [each.url for each in self._services if each.engine is None]

    def needs(self, workflow: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The choices in `params`, made or left to the default, that not all of them can meet.

        While one is unknown, that may be each choice that was made.
        """
        open_question = bool(self.unknown)
        entries = [each.entries[workflow] for each in self._services if workflow in each.entries]
        wanted = {
            name: params.get(name, rule.get("default"))
            for entry in entries
            for name, rule in properties(entry).items()
            if "enum" in rule
        }
        return {
            name: value
            for name, value in wanted.items()
            if len({meets(entry, {name: value}) for entry in entries}) > 1
            or (open_question and params.get(name) is not None)
        }

    async def cancel_job(self, job: Job | None) -> None:
        """Take a job off its GPU service, as far as that can be done. Never raises."""
        if job is None:
            return
        try:
            await self._client(job.service).cancel_job(job.id)
        except GPUServiceError as exc:
            level = logging.DEBUG if exc.code == "job_not_found" else logging.WARNING
            log.log(level, "Job %s could not be cancelled: %s", job.id, exc.message)

    def _client(self, url: str | None) -> GPUClient:
        """The one of this URL, which need not be among them any more; the first for None."""
        for service in self._services:
            if url in (None, service.url):
                return service.client
        return self._services[0].client.at(str(url))

    async def check_health(self) -> bool:
        """Whether any of them answers. Never raises."""
        asked = [asyncio.create_task(each.client.check_health()) for each in self._services]
        try:
            for answer in asyncio.as_completed(asked):
                if await answer:
                    return True
            return False
        finally:
            for each in asked:
                each.cancel()

    async def refresh(self, *, anew: bool = False) -> None:
        """Ask all of them what they can run; a client waits for it, so not for long."""
        asked = [each for each in self._services if not each.away] or self._services
        with anyio.move_on_after(ANEW_SECONDS if anew else ASK_SECONDS):
            await asyncio.gather(*(each.refresh(anew=anew) for each in asked))

    @asynccontextmanager
    async def kept_fresh(self, seconds: float = REFRESH_SECONDS) -> AsyncIterator[None]:
        """While it is entered, each is asked every so many seconds."""
        loops = [
            asyncio.create_task(_keep_fresh(each, seconds), name=f"catalogue of {each.url}")
            for each in self._services
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def _keep_fresh(service: GPUService, seconds: float) -> None:
    while True:
        try:
            await service.refresh()
        except Exception:
            log.exception("The catalogue of %s cannot be kept", service.url)
        await asyncio.sleep(seconds)


def properties(entry: CatalogueEntry) -> Mapping[str, Any]:
    """The JSON Schema of each of its parameters."""
    found: Mapping[str, Any] = (entry.parameters or {}).get("properties", {})
    return found


def meets(entry: CatalogueEntry, needs: Mapping[str, Any]) -> bool:
    """Whether each need is among the values that its parameter may have there."""
    rules = properties(entry)
    return all(value in rules.get(name, {}).get("enum", (value,)) for name, value in needs.items())


def _is_whole(entry: CatalogueEntry) -> bool:
    """A model that is a parameter's default may be chosen otherwise: that is a matter of needs."""
    defaults = [rule.get("default") for rule in properties(entry).values()]
    lacking = [each for each in entry.missing_models if each.value not in defaults]
    return entry.error is None and not entry.missing_nodes and not lacking
