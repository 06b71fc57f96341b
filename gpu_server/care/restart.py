"""The operator's own command that starts ComfyUI again."""

import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread

log = logging.getLogger(__name__)

COMMAND_SECONDS = 120.0
TERM_SECONDS = 10.0
LOOK_SECONDS = 0.1
ASK_SECONDS = 1.0
HOUR = 3600.0
MOST_AN_HOUR = 6
SHOWN_LINES = 200
SHOWN_CHARACTERS = 500
SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"://[^/\s]*:[^/\s]*@")


class RestartCommand:
    """Runs without a shell, in a process group of its own, and may take `seconds`.

    What it prints goes to the file `output`, and from there into the log. A file, because a ComfyUI
    that goes on in the background goes on to print, and has to outlive this process. Where the
    command itself is the ComfyUI, and does not end, it is left alone once ComfyUI answers.
    """

    def __init__(
        self,
        command: str,
        output: Path,
        environment: Mapping[str, str],
        seconds: float = COMMAND_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = shlex.split(command)
        self._output = output
        self._environment = environment
        self._seconds = seconds
        self._clock = clock
        self._begun_at: deque[float] = deque(maxlen=MOST_AN_HOUR)
        self._process: subprocess.Popen[bytes] | None = None
        self._held_back = False

    def is_allowed(self) -> bool:
        """Whether there have been few enough restarts in the last hour; says so where not."""
        full = len(self._begun_at) == MOST_AN_HOUR
        left = self._begun_at[0] + HOUR - self._clock() if full else 0
        if left > 0 and not self._held_back:
            log.error(
                "ComfyUI has been restarted %d times within an hour and is dead again: its log "
                "says why. The next restart is %.0f minutes away",
                MOST_AN_HOUR,
                left / 60,
            )
        self._held_back = left > 0
        return left <= 0

    async def run(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Run it, until it ends, ComfyUI `answers`, or its time is over. Never raises OSError."""
        await self.end()
        self._begun_at.append(self._clock())
        log.warning("Restarting ComfyUI: %s", shlex.join(self._command))
        try:
            self._process = await anyio.to_thread.run_sync(self._start)
        except OSError as exc:
            log.error("COMFYUI_RESTART_COMMAND cannot be run: %s", exc)
            return
        printed = _Printed(self._output)
        with anyio.move_on_after(self._seconds) as scope:
            await self._until_ended_or(answers, printed)
        printed.log()
        self._tell(self._process, too_late=scope.cancelled_caught)
        if scope.cancelled_caught:
            await self.end()

    async def _until_ended_or(
        self, answers: Callable[[], Awaitable[bool]], printed: "_Printed"
    ) -> None:
        ask_at = self._clock() + ASK_SECONDS
        while self._process is not None and self._process.poll() is None:
            await anyio.sleep(LOOK_SECONDS)
            printed.log()
            if self._clock() >= ask_at:
                if await answers():
                    return
                ask_at = self._clock() + ASK_SECONDS

    def _start(self) -> "subprocess.Popen[bytes]":
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - the operator's own command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self._environment),
                start_new_session=True,
            )

    def _tell(self, process: "subprocess.Popen[bytes]", *, too_late: bool) -> None:
        if too_late:
            log.error("The restart command has not ended within %g s: ending it", self._seconds)
        elif process.poll() is None:
            log.info("The restart command goes on, and ComfyUI answers: it is left alone")
        elif process.returncode != 0:
            log.error("The restart command has failed, with status %d", process.returncode)
        else:
            log.info("The restart command has ended; waiting for ComfyUI")

    async def end(self) -> None:
        """End what still runs of its last run: while it does, its group is surely its own."""
        process = self._process
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process is None or process.poll() is not None:
                break
            os.killpg(process.pid, number)
            with anyio.move_on_after(TERM_SECONDS):
                while process.poll() is None:
                    await anyio.sleep(LOOK_SECONDS)
        self._process = None


class _Printed:
    """The lines of a file that grows, passed on to the log; not without end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._left = SHOWN_LINES

    def log(self) -> None:
        """What has come since the last time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read(SHOWN_LINES * SHOWN_CHARACTERS)
        except OSError:
            return
        self._read += len(new)
        for line in new.decode(errors="replace").splitlines()[: self._left]:
            log.info("Restart command | %.*s", SHOWN_CHARACTERS, line)
            self._left -= 1


def environment_for_a_command(
    environment: Mapping[str, str], settings: Iterable[str]
) -> dict[str, str]:
    """Ours, without our `settings`, without secrets, and without our own Python in front."""
    ours = {name.upper() for name in settings} | {"VIRTUAL_ENV"}
    kept = {
        name: value
        for name, value in environment.items()
        if name.upper() not in ours
        and not SECRET.search(name)
        and not PASSWORD_IN_URL.search(value)
    }
    if sys.prefix != sys.base_prefix and "PATH" in kept:
        folders = kept["PATH"].split(os.pathsep)
        scripts = str(Path(sys.prefix, "bin"))
        kept["PATH"] = os.pathsep.join(each for each in folders if each != scripts)
    return kept
