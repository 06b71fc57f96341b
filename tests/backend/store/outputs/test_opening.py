"""The files that tasks made: the same on this machine's disk and in an S3 server."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import OutputsUnusable
from backend.store.outputs.local import LocalOutputStore
from backend.store.outputs.opening import open_outputs
from backend.store.outputs.output_store import LocalFile, OutputStore, RemoteFile
from backend.tasks import Output
from tests.backend.making import picture
from tests.s3_server import S3Server, running_s3, use_s3

PNG = "image/png"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def outputs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OutputStore:
    if request.param == "local":
        return open_outputs("", tmp_path)
    s3: S3Server = request.getfixturevalue("s3")
    use_s3(monkeypatch, s3.url)
    return open_outputs(f"s3://{s3.new_bucket()}/some/prefix", tmp_path)


async def content(outputs: OutputStore, folder: str, name: str) -> bytes | None:
    return await outputs.read(folder, Output(name, "", 0))


async def folder_names(outputs: OutputStore) -> set[str]:
    return {folder.name for folder in await outputs.folders()}


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
        ("image/png\r\nX-Odd: yes", "0.bin"),
        ("bild/größer", "0.bin"),
    ],
)
async def test_ending_is_told_by_the_content_type(
    outputs: OutputStore, content_type: str, file: str
) -> None:
    output = await outputs.save("t1", "0", b"data", content_type)
    assert (output.file, output.content_type) == (file, content_type)
    assert await outputs.read("t1", output) == b"data"


@pytest.mark.parametrize("data", [picture(), b""], ids=["a picture", "nothing"])
async def test_saved_output_can_be_read(outputs: OutputStore, data: bytes) -> None:
    output = await outputs.save("t1", "0", data, PNG)
    assert output.size == len(data)
    assert await outputs.read("t1", output) == data


async def test_second_attempt_replaces_the_first(outputs: OutputStore) -> None:
    await outputs.save("t1", "0", picture(size=(1, 1)), PNG)
    output = await outputs.save("t1", "0", picture(size=(2, 2)), PNG)
    assert await outputs.read("t1", output) == picture(size=(2, 2))


async def test_file_that_is_not_there_is_none(outputs: OutputStore) -> None:
    await outputs.save("t1", "0", picture(), PNG)
    missing = Output("1.png", PNG, 1)
    assert await outputs.read("t1", missing) is None
    assert await outputs.file("t1", missing) is None


async def test_file_can_be_had_in_parts(outputs: OutputStore) -> None:
    output = await outputs.save("t1", "0", b"0123456789", PNG)
    match await outputs.file("t1", output):
        case LocalFile(path):
            assert path.read_bytes() == b"0123456789"
        case RemoteFile() as file:
            assert (file.size, await file.part(2, 5)) == (10, b"234")
            assert abs(file.modified - time.time()) < 60
            assert file.etag.startswith('"')
        case None:
            pytest.fail("no such file")


async def test_file_of_a_name_is_kept_under_it(outputs: OutputStore) -> None:
    await outputs.put("uploads", "name", b"data")
    assert await content(outputs, "uploads", "name") == b"data"


async def test_many_may_write_one_name_at_once(outputs: OutputStore) -> None:
    await asyncio.gather(*(outputs.put("uploads", "name", b"x" * 100_000) for _ in range(8)))
    assert await content(outputs, "uploads", "name") == b"x" * 100_000


async def test_removed_task_has_no_files(outputs: OutputStore) -> None:
    made = [await outputs.save("t1", name, picture(), PNG) for name in ("0", "1")]
    kept = await outputs.save("t11", "0", picture(), PNG)
    await outputs.remove("t1")
    assert [await outputs.read("t1", each) for each in made] == [None, None]
    assert await outputs.read("t11", kept) == picture()


async def test_task_without_files_can_be_removed(outputs: OutputStore) -> None:
    await outputs.remove("t1")
    assert await outputs.folders() == []


async def test_folders_are_listed_with_their_age(outputs: OutputStore) -> None:
    await outputs.save("t1", "0", picture(), PNG)
    await outputs.save("t1", "1", picture(), PNG)
    await outputs.put("uploads", "name", b"data")
    assert await folder_names(outputs) == {"t1", "uploads"}
    assert all(abs(each.touched - time.time()) < 60 for each in await outputs.folders())


async def test_removed_task_is_not_listed(outputs: OutputStore) -> None:
    await outputs.save("t1", "0", picture(), PNG)
    await outputs.remove("t1")
    assert await folder_names(outputs) == set()


async def test_only_what_is_untouched_is_removed(outputs: OutputStore) -> None:
    await outputs.put("uploads", "name", b"data")
    await outputs.remove_untouched("uploads", time.time() - 60)
    assert await content(outputs, "uploads", "name") == b"data"
    await outputs.remove_untouched("uploads", time.time() + 60)
    assert await content(outputs, "uploads", "name") is None


async def test_only_the_named_folder_loses_what_is_untouched(outputs: OutputStore) -> None:
    await outputs.put("uploads", "name", b"data")
    output = await outputs.save("t1", "0", picture(), PNG)
    await outputs.remove_untouched("uploads", time.time() + 60)
    assert await outputs.read("t1", output) == picture()


async def test_without_a_url_outputs_are_in_the_data_folder(tmp_path: Path) -> None:
    await open_outputs("", tmp_path).save("t1", "0", picture(), PNG)
    assert (tmp_path / "outputs" / "t1" / "0.png").read_bytes() == picture()


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///prefix", "gs://bucket", "bucket/prefix", "s3://a b", "s3://b/?x=y"]
)
def test_url_that_is_none_is_told_with_the_form(url: str, tmp_path: Path) -> None:
    with pytest.raises(OutputsUnusable, match=r"OUTPUTS_URL.*s3://bucket/prefix"):
        open_outputs(url, tmp_path)


def test_missing_library_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "backend.store.outputs.s3", raising=False)
    for name in [each for each in sys.modules if each.split(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(OutputsUnusable, match=r"pip install -r backend/requirements-s3\.txt"):
        open_outputs("s3://bucket/prefix", tmp_path)


def test_the_data_folder_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert isinstance(open_outputs("", tmp_path), LocalOutputStore)
