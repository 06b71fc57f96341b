"""The files that tasks made: `{folder}/{task_id}/{n}.{ending}`."""

import asyncio
import os
from pathlib import Path

from backend.errors import StorageFull, StorageUnavailable
from backend.tasks import Output

KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
)
WEBP = ("image/webp", "webp")
OTHER = ("application/octet-stream", "bin")
TEXT = ("text/plain", "txt")
ENOSPC, EDQUOT = 28, 122


class OutputStore:
    """Crash-safe: a file is whole under its name, or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, task_id: str, number: int, content: bytes | str) -> Output:
        """Write one output, a file's bytes or a text; it is on disk when this returns.

        Raises StorageFull, StorageUnavailable.
        """
        return await asyncio.to_thread(self._save, task_id, number, content)

    async def read(self, task_id: str, output: Output) -> bytes | None:
        """The bytes, or None where somebody has removed the file. Raises StorageUnavailable."""
        return await asyncio.to_thread(self._read, task_id, output)

    def _save(self, task_id: str, number: int, content: bytes | str) -> Output:
        content_type, ending = TEXT if isinstance(content, str) else _kind(content)
        data = content.encode() if isinstance(content, str) else content
        folder = self._folder / task_id
        path = folder / f"{number}.{ending}"
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
            return (self._folder / task_id / output.file).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StorageUnavailable(f"An output cannot be read: {exc}.") from exc


def _kind(data: bytes) -> tuple[str, str]:
    for magic, content_type, ending in KINDS:
        if data.startswith(magic):
            return content_type, ending
    # RIFF is also what sounds and films come in.
    return WEBP if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else OTHER


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
