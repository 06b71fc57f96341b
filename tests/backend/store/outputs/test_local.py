"""Outputs on this machine's disk: crashes, full disks, other processes."""

import errno
import os
import time
from pathlib import Path

import pytest

from backend.errors import StorageFull, StorageUnavailable
from backend.store.outputs.local import LocalOutputStore
from backend.tasks import Output
from tests.backend.making import picture

PNG = "image/png"


class Disk:
    """What is synced: refused while it is full; else as it was seen at that moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.full = 0
        self.seen: list[tuple[str, list[str]]] = []

    def fsync(self, descriptor: int) -> None:
        if self.full:
            raise OSError(self.full, os.strerror(self.full))
        os.fsync(descriptor)
        synced = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.seen.append((synced, sorted(path.name for path in self._folder.rglob("*.png"))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outputs"


@pytest.fixture
def disk(folder: Path) -> Disk:
    return Disk(folder)


@pytest.fixture
def outputs(folder: Path, disk: Disk) -> LocalOutputStore:
    return LocalOutputStore(folder, disk.fsync)


async def test_output_lies_in_its_task_s_folder(outputs: LocalOutputStore, folder: Path) -> None:
    await outputs.save("t1", "2", picture(), PNG)
    assert (folder / "t1" / "2.png").read_bytes() == picture()


async def test_file_is_synced_before_it_has_its_name_and_its_folders_after(
    outputs: LocalOutputStore, disk: Disk
) -> None:
    await outputs.save("t1", "0", picture(), PNG)
    (part, before), *after = disk.seen
    assert part.startswith(".0.png.")
    assert before == []
    assert after == [(name, ["0.png"]) for name in ("t1", "outputs", "data")]


async def test_file_that_cannot_be_read_is_told(outputs: LocalOutputStore, folder: Path) -> None:
    (folder / "t1" / "0.png").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match=r"cannot be read: .*0\.png"):
        await outputs.read("t1", Output("0.png", "image/png", 1))


async def test_folder_that_cannot_be_made_is_told(outputs: LocalOutputStore, folder: Path) -> None:
    (folder / "t2").mkdir(parents=True)
    (folder / "t1").write_text("a file is in the way")
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        await outputs.save("t1", "0", picture(), PNG)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_full_disk_is_told_with_the_folder(
    outputs: LocalOutputStore, disk: Disk, folder: Path, number: int
) -> None:
    disk.full = number
    with pytest.raises(StorageFull, match=f"free room under {folder}"):
        await outputs.save("t1", "0", picture(), PNG)


async def test_full_disk_leaves_the_old_file_whole_and_nothing_else(
    outputs: LocalOutputStore, disk: Disk, folder: Path
) -> None:
    output = await outputs.save("t1", "0", picture(size=(1, 1)), PNG)
    disk.full = errno.ENOSPC
    with pytest.raises(StorageFull):
        await outputs.save("t1", "0", picture(size=(2, 2)), PNG)
    assert await outputs.read("t1", output) == picture(size=(1, 1))
    assert [path.name for path in (folder / "t1").iterdir()] == ["0.png"]


async def test_output_is_saved_once_there_is_room_again(
    outputs: LocalOutputStore, disk: Disk
) -> None:
    disk.full = errno.ENOSPC
    with pytest.raises(StorageFull):
        await outputs.save("t1", "0", picture(), PNG)
    disk.full = 0
    output = await outputs.save("t1", "0", picture(), PNG)
    assert await outputs.read("t1", output) == picture()


async def test_what_another_process_is_writing_is_left_alone(
    outputs: LocalOutputStore, folder: Path
) -> None:
    """A worker that was stopped in the middle goes on writing when it is resumed."""
    theirs: list[Path] = []

    def stopped(_: int) -> None:
        theirs.extend((folder / "t1").iterdir())
        raise OSError(errno.EIO, "stopped here")

    with pytest.raises(StorageUnavailable):
        await LocalOutputStore(folder, stopped).save("t1", "0", b"lost", PNG)
    theirs[0].write_bytes(b"half a pict")
    output = await outputs.save("t1", "0", picture(), PNG)
    theirs[0].write_bytes(b"half a picture, resumed")
    assert await outputs.read("t1", output) == picture()


async def test_file_of_a_name_that_is_there_is_touched_and_stays(
    outputs: LocalOutputStore, folder: Path
) -> None:
    await outputs.put("uploads", "name", b"data")
    os.utime(folder / "uploads" / "name", (0, 0))
    await outputs.put("uploads", "name", b"other")
    assert (folder / "uploads" / "name").read_bytes() == b"data"
    assert time.time() - (folder / "uploads" / "name").stat().st_mtime < 60


async def test_file_that_cannot_be_kept_leaves_nothing_behind(
    outputs: LocalOutputStore, folder: Path
) -> None:
    (folder / "uploads" / "name").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        await outputs.put("uploads", "name", b"data")
    assert [path.name for path in (folder / "uploads").iterdir()] == ["name"]


async def test_what_a_crash_left_half_written_goes_after_an_hour(
    outputs: LocalOutputStore, folder: Path
) -> None:
    (folder / "uploads").mkdir(parents=True)
    for name in (".name.1.part", ".name.2.part", "name"):
        (folder / "uploads" / name).write_bytes(b"half a pict")
    long_ago = time.time() - 3601
    os.utime(folder / "uploads" / ".name.1.part", (long_ago, long_ago))
    await outputs.remove_untouched("uploads", 0.0)
    left = {path.name for path in (folder / "uploads").iterdir()}
    assert left == {".name.2.part", "name"}


async def test_files_beside_the_folders_are_not_listed(
    outputs: LocalOutputStore, folder: Path
) -> None:
    await outputs.save("t1", "0", picture(), PNG)
    (folder / "README").write_text("somebody's")
    assert [each.name for each in await outputs.folders()] == ["t1"]


async def test_folder_that_cannot_be_removed_is_told(
    outputs: LocalOutputStore, folder: Path
) -> None:
    (folder / "t2").mkdir(parents=True)
    (folder / "t1").write_text("a file, and no folder")
    with pytest.raises(StorageUnavailable, match="cannot be removed"):
        await outputs.remove("t1")


async def test_outputs_that_cannot_be_listed_are_told(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file, and no folder")
    with pytest.raises(StorageUnavailable, match="cannot be listed"):
        await LocalOutputStore(tmp_path / "outputs").folders()
