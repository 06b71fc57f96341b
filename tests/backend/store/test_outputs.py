"""The files that tasks made."""

import asyncio
from pathlib import Path

import pytest

from backend.errors import StorageFull, StorageUnavailable
from backend.store.outputs import OutputStore
from backend.tasks import Output
from tests.backend.making import picture

PNG = "image/png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outputs"


@pytest.mark.parametrize(
    ("content_type", "file"),
    [
        ("image/png", "0.png"),
        ("image/jpeg", "0.jpg"),
        ("image/webp", "0.webp"),
        ("image/gif", "0.gif"),
        ("video/mp4", "0.mp4"),
        ("video/webm", "0.webm"),
        ("audio/mpeg", "0.mp3"),
        ("audio/flac", "0.flac"),
        ("audio/x-wav", "0.wav"),
        ("text/plain; charset=utf-8", "0.txt"),
        ("text/plain;charset=utf-8", "0.txt"),
        ("application/octet-stream", "0.bin"),
        ("text/x-placeholder", "0.bin"),
        ("odd", "0.bin"),
        ("", "0.bin"),
        ("../../etc/passwd", "0.bin"),
    ],
)
async def test_ending_is_told_by_the_content_type(
    outputs: OutputStore, content_type: str, file: str
) -> None:
    output = await outputs.save("t1", 0, b"data", content_type)
    assert (output.file, output.content_type) == (file, content_type)


async def test_saved_output_can_be_read(outputs: OutputStore) -> None:
    data = picture()
    output = await outputs.save("t1", 0, data, PNG)
    assert output.size == len(data)
    assert await outputs.read("t1", output) == data


async def test_output_lies_in_its_task_s_folder(outputs: OutputStore, folder: Path) -> None:
    await outputs.save("t1", 2, picture(), PNG)
    assert (folder / "t1" / "2.png").read_bytes() == picture()


async def test_second_attempt_replaces_the_first(outputs: OutputStore) -> None:
    await outputs.save("t1", 0, picture(size=(1, 1)), PNG)
    output = await outputs.save("t1", 0, picture(size=(2, 2)), PNG)
    assert await outputs.read("t1", output) == picture(size=(2, 2))


async def test_removed_file_is_none(outputs: OutputStore, folder: Path) -> None:
    output = await outputs.save("t1", 0, picture(), PNG)
    (folder / "t1" / output.file).unlink()
    assert await outputs.read("t1", output) is None


async def test_file_that_cannot_be_read_is_told(outputs: OutputStore, folder: Path) -> None:
    (folder / "t1" / "0.png").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match=r"cannot be read: .*0\.png"):
        await outputs.read("t1", Output("0.png", "image/png", 1))


async def test_folder_that_cannot_be_made_is_told(outputs: OutputStore, folder: Path) -> None:
    (folder / "t2").mkdir(parents=True)
    (folder / "t1").write_text("a file is in the way")
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        await outputs.save("t1", 0, picture(), PNG)


async def test_full_disk_is_told_with_the_folder(outputs: OutputStore, folder: Path) -> None:
    (folder / "t1").mkdir(parents=True)
    (folder / "t1" / ".0.png.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match=f"free room under {folder}"):
        await outputs.save("t1", 0, picture(), PNG)


async def test_half_written_file_never_has_the_output_s_name(
    outputs: OutputStore, folder: Path
) -> None:
    """The name is taken only by a rename: a write that fails leaves the old file whole."""
    output = await outputs.save("t1", 0, picture(size=(1, 1)), PNG)
    (folder / "t1" / ".0.png.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        await outputs.save("t1", 0, picture(size=(2, 2)), PNG)
    assert await outputs.read("t1", output) == picture(size=(1, 1))


async def test_what_a_crash_left_is_written_over(outputs: OutputStore, folder: Path) -> None:
    (folder / "t1").mkdir(parents=True)
    (folder / "t1" / ".0.png.part").write_bytes(b"half a pict")
    output = await outputs.save("t1", 0, picture(), PNG)
    assert await outputs.read("t1", output) == picture()
    assert [path.name for path in (folder / "t1").iterdir()] == ["0.png"]


async def test_file_of_a_name_is_kept_under_it(outputs: OutputStore, folder: Path) -> None:
    await outputs.put("uploads", "name", b"data")
    assert [path.name for path in (folder / "uploads").iterdir()] == ["name"]
    assert (folder / "uploads" / "name").read_bytes() == b"data"


async def test_file_of_a_name_that_is_there_stays(outputs: OutputStore, folder: Path) -> None:
    await outputs.put("uploads", "name", b"data")
    await outputs.put("uploads", "name", b"other")
    assert (folder / "uploads" / "name").read_bytes() == b"data"


async def test_two_may_write_one_name_at_once(outputs: OutputStore, folder: Path) -> None:
    await asyncio.gather(*(outputs.put("uploads", "name", b"x" * 100_000) for _ in range(8)))
    assert [path.name for path in (folder / "uploads").iterdir()] == ["name"]
    assert (folder / "uploads" / "name").read_bytes() == b"x" * 100_000


async def test_file_that_cannot_be_kept_leaves_nothing_behind(
    outputs: OutputStore, folder: Path
) -> None:
    (folder / "uploads" / "name").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        await outputs.put("uploads", "name", b"data")
    assert [path.name for path in (folder / "uploads").iterdir()] == ["name"]
