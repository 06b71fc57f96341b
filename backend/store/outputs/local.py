"""Outputs on this machine's disk: `{folder}/{task_id}/{n}.{ending}`."""

import asyncio
import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.errors import StorageFull, StorageUnavailable
from backend.store.outputs.output_store import Folder, LocalFile, OutputStore, file_name
from backend.tasks import Output

PART = ".part"
PART_SECONDS = 3600.0
"""No write takes longer: what is older was left by a crash."""


class LocalOutputStore(OutputStore):
    """Crash-safe: written under another name, synced, renamed, and then the folder synced.

    `fsync` takes a file descriptor, as `os.fsync` does.
    """

    def __init__(self, folder: Path, fsync: Callable[[int], None] = os.fsync) -> None:
        self._folder = folder
        self._fsync = fsync

    async def save(self, task_id: str, name: str, data: bytes, content_type: str) -> Output:
        name = file_name(name, content_type)
        await asyncio.to_thread(self._write, task_id, name, data)
        return Output(name, content_type, len(data))

    async def put(self, folder: str, name: str, data: bytes) -> None:
        await asyncio.to_thread(self._put, folder, name, data)

    async def read(self, task_id: str, output: Output) -> bytes | None:
        return await asyncio.to_thread(self._read, task_id, output)

    async def file(self, task_id: str, output: Output) -> LocalFile | None:
        return await asyncio.to_thread(self._file, task_id, output)

    async def remove(self, task_id: str) -> None:
        await asyncio.to_thread(self._remove, task_id)

    async def folders(self) -> list[Folder]:
        return await asyncio.to_thread(self._folders)

    async def remove_untouched(self, folder: str, since: float) -> None:
        await asyncio.to_thread(self._remove_untouched, folder, since)

    def _put(self, folder: str, name: str, data: bytes) -> None:
        path = self._folder / folder / name
        with self._translated("A file cannot be written"), suppress(FileNotFoundError):
            if path.is_file():
                os.utime(path)
                self._sync_folder(path.parent)  # Whoever writes it may not have come so far.
                return
        self._write(folder, name, data)

    def _write(self, folder_name: str, name: str, data: bytes) -> None:
        folder = self._folder / folder_name
        # Nobody else's: another process may still be writing this very file for a lost attempt.
        part = folder / f".{name}.{uuid.uuid4().hex}{PART}"
        with self._translated("An output cannot be written"):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._write_synced(part, data)
                part.replace(folder / name)
            finally:
                with suppress(OSError):
                    part.unlink()
            for each in (folder, self._folder, self._folder.parent):
                self._sync_folder(each)

    def _write_synced(self, path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            self._fsync(file.fileno())

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            self._fsync(descriptor)
        finally:
            os.close(descriptor)

    def _read(self, task_id: str, output: Output) -> bytes | None:
        with self._translated("An output cannot be read"):
            try:
                return (self._folder / task_id / output.file).read_bytes()
            except FileNotFoundError:
                return None

    def _file(self, task_id: str, output: Output) -> LocalFile | None:
        path = self._folder / task_id / output.file
        with self._translated("An output cannot be read"):
            return LocalFile(path) if path.is_file() else None

    def _remove(self, task_id: str) -> None:
        with self._translated("Outputs cannot be removed"), suppress(FileNotFoundError):
            shutil.rmtree(self._folder / task_id)

    def _folders(self) -> list[Folder]:
        found = []
        for entry in self._entries(self._folder):
            with self._translated("The outputs cannot be listed"), suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    # A file that comes or goes touches its folder.
                    found.append(Folder(entry.name, entry.stat().st_mtime))
        return found

    def _remove_untouched(self, folder: str, since: float) -> None:
        for entry in self._entries(self._folder / folder):
            limit = max(since, time.time() - PART_SECONDS) if _is_part(entry.name) else since
            with self._translated("A file cannot be removed"), suppress(FileNotFoundError):
                if entry.is_file() and entry.stat().st_mtime < limit:
                    Path(entry.path).unlink()

    def _entries(self, folder: Path) -> list["os.DirEntry[str]"]:
        with self._translated("The outputs cannot be listed"):
            try:
                with os.scandir(folder) as entries:
                    return list(entries)
            except FileNotFoundError:
                return []

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"The disk is full: free room under {self._folder}.") from exc
            raise StorageUnavailable(f"{what}: {exc}.") from exc


def _is_part(name: str) -> bool:
    return name.startswith(".") and name.endswith(PART)
