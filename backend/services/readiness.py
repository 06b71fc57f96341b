"""Whether this backend is to be sent requests, and why not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from backend.errors import BackendError
from backend.schemas.response_probe import Finding, ReadinessResponse
from backend.services.gpu_services import GPUServices
from backend.services.health import Alive
from backend.services.room import Room
from backend.store.task_store import SharedTaskStore, TaskStore

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""That a check may take. What cannot be told in that time is not in order."""
NOTE_SECONDS = 0.5
"""That a note may take: whoever asks gives up after a second, and takes that for not ready."""

NO_WORKER = "No worker is alive: tasks wait. Start `python -m backend.worker`, one a GPU service."

Check = Callable[[], Awaitable[str | None]]
"""What is wrong, or None. A BackendError that it raises is what is wrong, too."""


class Readiness:
    """Asks its checks, all at once. Without `checks` only draining makes it unready.

    What `notes` find is told and changes nothing: tasks wait for a GPU service, durably.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        notes: Mapping[str, Check] | None = None,
        check_seconds: float = CHECK_SECONDS,
        note_seconds: float = NOTE_SECONDS,
    ) -> None:
        self._checks = checks
        self._notes = notes or {}
        self._check_seconds = check_seconds
        self._note_seconds = note_seconds
        self._draining = False

    def drain(self) -> None:
        """Never ready again: the process stops."""
        self._draining = True

    async def look(self) -> ReadinessResponse:
        """How it is right now. Never raises."""
        reasons, notes = await asyncio.gather(
            _ask(self._checks, self._check_seconds), _ask(self._notes, self._note_seconds)
        )
        if self._draining:
            reasons.insert(0, Finding(check="draining", detail="This backend stops."))
        return ReadinessResponse(
            status="not_ready" if reasons else "ready", reasons=reasons, notes=notes
        )


async def _ask(checks: Mapping[str, Check], seconds: float) -> list[Finding]:
    details = await asyncio.gather(*(_told(check, seconds) for check in checks.values()))
    return [
        Finding(check=name, detail=detail)
        for name, detail in zip(checks, details, strict=True)
        if detail is not None
    ]


async def _told(check: Check, seconds: float) -> str | None:
    try:
        return await asyncio.wait_for(check(), seconds)
    except asyncio.TimeoutError:  # Python 3.10 has this apart from the built-in one.
        return f"No answer within {seconds:g} s."
    except BackendError as exc:
        return exc.message
    except Exception:
        log.exception("A readiness check failed: this is a bug")
        return "The check itself failed; the log has the trace."


def store_answers(store: TaskStore) -> Check:
    """The task store can be asked."""

    async def check() -> None:
        await store.queued()

    return check


def has_room(room: Room) -> Check:
    """The disk has room for another task."""

    async def check() -> None:
        room.check()

    return check


def still_works(working: Alive, what: str) -> Check:
    """What works in the background has not died."""

    async def check() -> str | None:
        return None if working.alive else f"{what} has died. Start the backend again."

    return check


def worker_lives(store: SharedTaskStore) -> Check:
    """A worker is there, somewhere."""

    async def check() -> str | None:
        return None if await store.workers() else NO_WORKER

    return check


def gpu_service_answers(services: GPUServices) -> Check:
    """A GPU service answers."""

    async def check() -> str | None:
        if refusing := [each.url for each in services if each.refused]:
            return f"{', '.join(refusing)} takes no request of ours: see GPU_SERVICE_SECRET."
        return None if await services.check_health() else "No GPU service answers: tasks wait."

    return check
