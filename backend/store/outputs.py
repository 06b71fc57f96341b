"""The files that tasks made: `{folder}/{task_id}/{n}.{ending}`."""

import asyncio
import mimetypes
import os
import uuid
from contextlib import suppress
from pathlib import Path

from backend.errors import StorageFull, StorageUnavailable
from backend.tasks import Output

ENOSPC, EDQUOT = 28, 122
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


class OutputStore:
    """Crash-safe: a file is whole under its name, or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, task_id: str, number: int, data: bytes, content_type: str) -> Output:
        """Write one output; it is on disk when this returns.

        Raises StorageFull, StorageUnavailable.
        """
        return await asyncio.to_thread(self._save, task_id, number, data, content_type)

    async def put(self, folder: str, name: str, data: bytes) -> None:
        """Write a file of any name, unless it is there. Raises StorageFull, StorageUnavailable."""
        if not (self._folder / folder / name).is_file():
            await asyncio.to_thread(self._put, folder, name, data)

    async def read(self, task_id: str, output: Output) -> bytes | None:
        """The bytes, or None where somebody has removed the file. Raises StorageUnavailable."""
        return await asyncio.to_thread(self._read, task_id, output)

    def path(self, task_id: str, output: Output) -> Path:
        """Where the file is, or was."""
        return self._folder / task_id / output.file

    def _save(self, task_id: str, number: int, data: bytes, content_type: str) -> Output:
        ending = ENDINGS.guess_extension(content_type.partition(";")[0]) or ".bin"
        name = f"{number}{ending}"
        # What a crash or a full disk has left of it is written over.
        self._write(task_id, name, data, f".{name}.part")
        return Output(name, content_type, len(data))

    def _put(self, folder: str, name: str, data: bytes) -> None:
        part = f".{name}.{uuid.uuid4().hex}.part"  # Two may write the same name at once.
        try:
            self._write(folder, name, data, part)
        finally:
            with suppress(OSError):
                (self._folder / folder / part).unlink()

    def _write(self, folder_name: str, name: str, data: bytes, part: str) -> None:
        folder = self._folder / folder_name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(folder / name, data, folder / part)
            _sync_folder(folder)
            _sync_folder(self._folder)
        except OSError as exc:
            if exc.errno in (ENOSPC, EDQUOT):
                raise StorageFull(f"The disk is full: free room under {self._folder}.") from exc
            raise StorageUnavailable(f"An output cannot be written: {exc}.") from exc

    def _read(self, task_id: str, output: Output) -> bytes | None:
        try:
            return self.path(task_id, output).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StorageUnavailable(f"An output cannot be read: {exc}.") from exc


def _write_whole(path: Path, data: bytes, temporary: Path) -> None:
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
