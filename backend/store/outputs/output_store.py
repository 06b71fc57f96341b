"""What every store of outputs does, on this machine's disk or far away."""

import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backend.tasks import Output

JUST_REMOVED = "The file has just been removed."
ENDINGS = mimetypes.MimeTypes()
"""Python's own, the same on every machine, and what older Pythons do not know."""
for _kind, _ending in {
    "image/webp": ".webp",
    "image/avif": ".avif",
    "video/x-matroska": ".mkv",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "model/gltf-binary": ".glb",
}.items():
    ENDINGS.add_type(_kind, _ending)


@dataclass(frozen=True)
class LocalFile:
    """An output on this machine."""

    path: Path


@dataclass(frozen=True)
class RemoteFile:
    """An output far away, of which parts can be fetched."""

    size: int
    """Bytes."""
    etag: str
    """In its quotes."""
    modified: float
    """Seconds since the epoch."""
    part: Callable[[int, int], Awaitable[bytes]]
    """The bytes from one offset to before another. Raises OutputNotFound, StorageUnavailable."""


@dataclass(frozen=True)
class Folder:
    """One that is there."""

    name: str
    touched: float
    """When something was last written into it, in seconds since the epoch."""


class OutputStore(Protocol):
    """Files that tasks made, in a folder a task, and other files, in folders of other names.

    A file is whole under its name, or not there. Every method raises StorageUnavailable.
    """

    async def save(self, task_id: str, name: str, data: bytes, content_type: str) -> Output:
        """Write one output; it outlives a crash when this returns. Raises StorageFull."""

    async def put(self, folder: str, name: str, data: bytes) -> None:
        """Keep a file whose name stands for its content; touch it where it is there already.

        Raises StorageFull.
        """

    async def read(self, task_id: str, output: Output) -> bytes | None:
        """The bytes, or None where there is no such file."""

    async def file(self, task_id: str, output: Output) -> LocalFile | RemoteFile | None:
        """The file, to be sent in parts; None where there is none."""

    async def remove(self, task_id: str) -> None:
        """Take a task's folder away, with all that is in it, if there is one."""

    async def folders(self) -> list[Folder]:
        """All folders, in no order."""

    async def remove_untouched(self, folder: str, since: float) -> None:
        """Take away the files of a folder that nobody has put there since a time."""


def file_name(name: str, content_type: str) -> str:
    """The name of one output, such as `0.png`."""
    return f"{name}{ENDINGS.guess_extension(content_type.partition(';')[0]) or '.bin'}"
