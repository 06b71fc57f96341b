"""Whether this process is to be sent requests, and whether it has to be started anew, and why."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from backend.errors import BackendError
from backend.schemas.response_probe import Checked, Finding, LivenessResponse, ReadinessResponse

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""That a check may take. What cannot be told in that time is not in order."""
NOTE_SECONDS = 0.5
"""That a note may take: whoever asks gives up after a second, and takes that for not ready."""
KEPT_SECONDS = 1.0
"""That what was seen counts: however many ask, it is looked once a second."""
PAUSED = "An admin drains it (POST /drain): what runs may end. DELETE /drain has it go on."
STOPPING = "It stops. Send requests to another one, or start it again."

Check = Callable[[], Awaitable[str | None]]
"""What is wrong, or None. A BackendError that it raises is what is wrong, too."""
Sign = Callable[[], str | None]
"""Why only a new start helps, or None."""


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
        kept_seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._notes = notes or {}
        self._check_seconds = check_seconds
        self._note_seconds = note_seconds
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._draining = False
        self._paused = False
        self._looking = asyncio.Lock()
        self._seen: list[Checked] = []
        self._seen_at = float("-inf")

    def drain(self) -> None:
        """Never ready again: the process stops."""
        self._draining = True

    def pause(self, paused: bool) -> None:
        """Not ready for as long as an admin says so."""
        self._paused = paused

    async def look(self) -> ReadinessResponse:
        """How it is right now, or was a moment ago. Never raises."""
        async with self._looking:  # Who comes meanwhile is told the same.
            if self._clock() - self._seen_at >= self._kept_seconds:
                self._seen = await self._ask_all()
                self._seen_at = self._clock()
        return _told_of([self._drained(), *self._seen])

    def _drained(self) -> Checked:
        detail = STOPPING if self._draining else PAUSED if self._paused else None
        return Checked(check="draining", ok=detail is None, needed=True, detail=detail)

    async def _ask_all(self) -> list[Checked]:
        needed, noted = await asyncio.gather(
            _ask(self._checks, self._check_seconds, needed=True),
            _ask(self._notes, self._note_seconds, needed=False),
        )
        return needed + noted


class Liveness:
    """Looks for signs that the process cannot heal by itself."""

    def __init__(self, signs: Mapping[str, Sign]) -> None:
        self._signs = signs

    def look(self) -> LivenessResponse:
        """How it is right now."""
        found = {name: sign() for name, sign in self._signs.items()}
        reasons = [Finding(check=name, detail=why) for name, why in found.items() if why]
        return LivenessResponse(status="dead" if reasons else "ok", reasons=reasons)


def _told_of(checks: list[Checked]) -> ReadinessResponse:
    wrong = [each for each in checks if not each.ok]
    reasons, notes = (
        [
            Finding(check=each.check, detail=str(each.detail))
            for each in wrong
            if each.needed is needed
        ]
        for needed in (True, False)
    )
    return ReadinessResponse(
        status="not_ready" if reasons else "ready", reasons=reasons, notes=notes, checks=checks
    )


async def _ask(checks: Mapping[str, Check], seconds: float, *, needed: bool) -> list[Checked]:
    details = await asyncio.gather(*(_told(check, seconds) for check in checks.values()))
    return [
        Checked(check=name, ok=detail is None, needed=needed, detail=detail)
        for name, detail in zip(checks, details, strict=True)
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
