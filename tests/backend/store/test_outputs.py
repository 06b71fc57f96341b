"""The files that tasks made."""

from pathlib import Path

import pytest

from backend.errors import StorageFull, StorageUnavailable
from backend.store.outputs import OutputStore
from backend.tasks import Output
from tests.backend.making import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outputs"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (picture("PNG"), ("0.png", "image/png")),
        (picture("JPEG"), ("0.jpg", "image/jpeg")),
        (picture("WEBP"), ("0.webp", "image/webp")),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", ("0.bin", "application/octet-stream")),
        (b"hello", ("0.bin", "application/octet-stream")),
        (b"", ("0.bin", "application/octet-stream")),
        ("a placeholder", ("0.txt", "text/plain")),
    ],
)
async def test_kind_is_told_by_the_content(
    outputs: OutputStore, content: bytes | str, expected: tuple[str, str]
) -> None:
    output = await outputs.save("t1", 0, content)
    assert (output.file, output.content_type) == expected


async def test_saved_output_can_be_read(outputs: OutputStore) -> None:
    data = picture()
    output = await outputs.save("t1", 0, data)
    assert output.size == len(data)
    assert await outputs.read("t1", output) == data


async def test_text_is_kept_as_utf_8(outputs: OutputStore) -> None:
    output = await outputs.save("t1", 0, "wörd")
    assert await outputs.read("t1", output) == "wörd".encode()


async def test_output_lies_in_its_task_s_folder(outputs: OutputStore, folder: Path) -> None:
    await outputs.save("t1", 2, picture())
    assert (folder / "t1" / "2.png").read_bytes() == picture()


async def test_second_attempt_replaces_the_first(outputs: OutputStore) -> None:
    await outputs.save("t1", 0, picture(size=(1, 1)))
    output = await outputs.save("t1", 0, picture(size=(2, 2)))
    assert await outputs.read("t1", output) == picture(size=(2, 2))


async def test_removed_file_is_none(outputs: OutputStore, folder: Path) -> None:
    output = await outputs.save("t1", 0, picture())
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
        await outputs.save("t1", 0, picture())


async def test_full_disk_is_told_with_the_folder(outputs: OutputStore, folder: Path) -> None:
    (folder / "t1").mkdir(parents=True)
    (folder / "t1" / ".0.png.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match=f"free room under {folder}"):
        await outputs.save("t1", 0, picture())


async def test_half_written_file_never_has_the_output_s_name(
    outputs: OutputStore, folder: Path
) -> None:
    """The name is taken only by a rename: a write that fails leaves the old file whole."""
    output = await outputs.save("t1", 0, picture(size=(1, 1)))
    (folder / "t1" / ".0.png.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        await outputs.save("t1", 0, picture(size=(2, 2)))
    assert await outputs.read("t1", output) == picture(size=(1, 1))


async def test_what_a_crash_left_is_written_over(outputs: OutputStore, folder: Path) -> None:
    (folder / "t1").mkdir(parents=True)
    (folder / "t1" / ".0.png.part").write_bytes(b"half a pict")
    output = await outputs.save("t1", 0, picture())
    assert await outputs.read("t1", output) == picture()
    assert [path.name for path in (folder / "t1").iterdir()] == ["0.png"]
