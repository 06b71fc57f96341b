"""Room on the disk: no new task is taken where those that are in could not end any more."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from backend.errors import StorageFull, StorageUnavailable

log = logging.getLogger(__name__)

MB = 1024 * 1024
LOOK_SECONDS = 1.0


def free_bytes(folder: Path) -> int:
    """What may still be written to the folder's file system. Raises OSError."""
    return shutil.disk_usage(folder).free


class Room:
    """Keeps `min_free_mb` free on the folder's file system; 0 is no reserve.

    The disk is looked at once a second, and not at each request.
    """

    def __init__(
        self,
        folder: Path,
        min_free_mb: int,
        free: Callable[[Path], int] = free_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._min_free_mb = min_free_mb
        self._free = free
        self._clock = clock
        self._looked_at = float("-inf")
        self._free_mb = 0
        self._enough = True

    @property
    def free_mb(self) -> int | None:
        """As it was last looked at, by `check`; None where nobody has."""
        return self._free_mb if self._looked_at > float("-inf") else None

    def check(self) -> None:
        """Raise StorageFull where less than the reserve is free; StorageUnavailable."""
        if self._min_free_mb == 0:
            return
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._look()
        if not self._enough:
            raise StorageFull(self._refusal())

    def _look(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._free_mb = self._free(self._folder) // MB
        except OSError as exc:
            raise StorageUnavailable(
                f"The data folder cannot be used: {exc}. Make it, or set another DATA_PATH."
            ) from exc
        self._looked_at = self._clock()
        enough = self._free_mb >= self._min_free_mb
        if self._enough and not enough:
            log.error("No new task is taken: %s", self._refusal())
        elif enough and not self._enough:
            log.info("New tasks are taken again: %d MB are free", self._free_mb)
        self._enough = enough

    def _refusal(self) -> str:
        return (
            f"Only {self._free_mb} MB are free on the disk of {self._folder}, and "
            f"{self._min_free_mb} MB (MIN_FREE_MB) are kept for the tasks that are in. Free room."
        )
