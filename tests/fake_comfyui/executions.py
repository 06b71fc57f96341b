"""What was run and fetched, written to a file that outlives a killed fake."""

import json
import time
from pathlib import Path
from typing import Any

from tests.fake_comfyui.recorded import Json


class Executions:
    """One JSON object a line: `event` (started, ended, fetched), `at`, and what it was.

    `at` is in seconds since the epoch. Without a path nothing is written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def started(self, prompt_id: str, graph: Json) -> None:
        self._write("started", prompt_id=prompt_id, graph=graph)

    def ended(self, prompt_id: str) -> None:
        """It is in the history now."""
        self._write("ended", prompt_id=prompt_id)

    def fetched(self, file: str) -> None:
        self._write("fetched", file=file)

    def _write(self, event: str, **what: Any) -> None:
        if self._path is not None:
            line = json.dumps({"event": event, "at": time.time(), **what}) + "\n"
            # Opened anew and written at once: nothing is left in a buffer to die with us.
            with self._path.open("a") as file:
                file.write(line)
