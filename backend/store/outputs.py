"""The files that tasks made: `{folder}/{task_id}/{n}.{ending}`."""

import asyncio
import mimetypes
import os
from pathlib import Path

from backend.errors import StorageFull, StorageUnavailable
from backend.tasks import Output

ENOSPC, EDQUOT = 28, 122


class OutputStore:
    """Crash-safe: a file is whole under its name, or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, task_id: str, number: int, data: bytes, content_type: str) -> Output:
        """Write one output; it is on disk when this returns.

        Raises StorageFull, StorageUnavailable.
        """
        return await asyncio.to_thread(self._save, task_id, number, data, content_type)

    async def read(self, task_id: str, output: Output) -> bytes | None:
        """The bytes, or None where somebody has removed the file. Raises StorageUnavailable."""
        return await asyncio.to_thread(self._read, task_id, output)

    def path(self, task_id: str, output: Output) -> Path:
        """Where the file is, or was."""
        return self._folder / task_id / output.file

    def _save(self, task_id: str, number: int, data: bytes, content_type: str) -> Output:
        folder = self._folder / task_id
        ending = mimetypes.guess_extension(content_type.partition(";")[0]) or ".bin"
        path = folder / f"{number}{ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data)
            _sync_folder(folder)
            _sync_folder(self._folder)
        except OSError as exc:
            if exc.errno in (ENOSPC, EDQUOT):
                raise StorageFull(f"The disk is full: free room under {self._folder}.") from exc
            raise StorageUnavailable(f"An output cannot be written: {exc}.") from exc
        return Output(path.name, content_type, len(data))

    def _read(self, task_id: str, output: Output) -> bytes | None:
        try:
            return self.path(task_id, output).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StorageUnavailable(f"An output cannot be read: {exc}.") from exc


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
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
