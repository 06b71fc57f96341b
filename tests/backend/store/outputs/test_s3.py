"""Outputs in an S3 server: what is sent there, and what happens when it is not as it should be."""

import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import S3Store

from backend.errors import OutputsUnusable, StorageUnavailable
from backend.store.outputs.opening import open_outputs
from backend.store.outputs.output_store import OutputStore, RemoteFile
from backend.store.outputs.s3 import PIECE, S3OutputStore
from backend.tasks import Output
from tests.s3_server import HOST, S3Server, running_s3, use_s3

PNG = "image/png"
OUTPUT = Output("0.png", PNG, 4)
CALLS: dict[str, Callable[[OutputStore], Awaitable[object]]] = {
    "save": lambda outputs: outputs.save("t1", "0", b"data", PNG),
    "put": lambda outputs: outputs.put("uploads", "name", b"data"),
    "read": lambda outputs: outputs.read("t1", OUTPUT),
    "file": lambda outputs: outputs.file("t1", OUTPUT),
    "remove": lambda outputs: outputs.remove("t1"),
    "folders": lambda outputs: outputs.folders(),
    "remove_untouched": lambda outputs: outputs.remove_untouched("uploads", time.time()),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    use_s3(monkeypatch, s3.url)
    return s3.new_bucket()


@pytest.fixture
def outputs(bucket: str) -> OutputStore:
    """One that gives up soon."""
    return S3OutputStore(bucket, "pre/fix", {"max_retries": 0})


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[OutputStore]:
    """One whose server is away: nobody listens on its port."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        use_s3(monkeypatch, f"http://{HOST}:{taken.getsockname()[1]}")
        yield S3OutputStore("bucket", "pre/fix", {"max_retries": 0})


async def content_type(bucket: str, key: str) -> object:
    """Of an object, as the server has it."""
    found = await S3Store(bucket, client_options={"allow_http": True}).get_async(key)
    return found.attributes["Content-Type"]


@pytest.mark.parametrize(
    ("url", "key"),
    [("s3://{}", "t1/0.png"), ("s3://{}/", "t1/0.png"), ("s3://{}/a/b/", "a/b/t1/0.png")],
)
async def test_output_lies_under_the_prefix_with_its_content_type(
    bucket: str, tmp_path: Path, url: str, key: str
) -> None:
    await open_outputs(url.format(bucket), tmp_path).save("t1", "0", b"data", PNG)
    assert await content_type(bucket, key) == PNG


async def test_content_type_that_is_none_is_not_sent(bucket: str, outputs: OutputStore) -> None:
    output = await outputs.save("t1", "0", b"data", "image/png\r\nX-Odd: yes")
    key = f"pre/fix/t1/{output.file}"
    assert await content_type(bucket, key) == "application/octet-stream"


async def test_other_prefixes_of_the_bucket_are_not_ours(bucket: str, tmp_path: Path) -> None:
    ours = open_outputs(f"s3://{bucket}/ours", tmp_path)
    theirs = open_outputs(f"s3://{bucket}/theirs", tmp_path)
    await theirs.save("t1", "0", b"data", PNG)
    await ours.remove("t1")
    assert await ours.folders() == []
    assert await theirs.read("t1", OUTPUT) == b"data"


async def test_large_output_comes_back_whole(outputs: OutputStore) -> None:
    data = bytes(range(256)) * (PIECE // 256 + 1)
    output = await outputs.save("t1", "0", data, "video/mp4")
    assert await outputs.read("t1", output) == data


async def test_file_that_is_put_again_is_touched(outputs: OutputStore) -> None:
    await outputs.put("uploads", "name", b"data")
    [before] = await outputs.folders()
    # The server's clock has whole seconds.
    while (await outputs.folders())[0].touched == before.touched:
        await outputs.put("uploads", "name", b"data")
        assert time.time() - before.touched < 10


async def test_part_of_another_version_is_refused(outputs: OutputStore) -> None:
    output = await outputs.save("t1", "0", b"0123456789", PNG)
    file = await outputs.file("t1", output)
    assert isinstance(file, RemoteFile)
    await outputs.save("t1", "0", b"another one", PNG)
    with pytest.raises(StorageUnavailable):
        await file.part(0, 5)


@every_call
async def test_server_that_is_away_is_told_with_what_to_check(
    away: OutputStore, call: Callable[[OutputStore], Awaitable[object]]
) -> None:
    with pytest.raises(StorageUnavailable, match=r"cannot be used: .*Check AWS_ENDPOINT_URL"):
        await call(away)


async def test_server_that_comes_back_is_used_again(s3: S3Server, outputs: OutputStore) -> None:
    output = await outputs.save("t1", "0", b"data", PNG)
    s3.stop()
    try:
        with pytest.raises(StorageUnavailable):
            await outputs.read("t1", output)
    finally:
        s3.start_again()
    assert await outputs.read("t1", output) == b"data"


@every_call
async def test_bucket_that_is_not_there_is_told(
    bucket: str, call: Callable[[OutputStore], Awaitable[object]]
) -> None:
    with pytest.raises(StorageUnavailable, match=r"no bucket of s3://another/one: make it"):
        await call(S3OutputStore("another", "one"))


@every_call
async def test_refused_keys_are_told_with_their_names(
    s3: S3Server, outputs: OutputStore, call: Callable[[OutputStore], Awaitable[object]]
) -> None:
    with (
        s3.refusing(),
        pytest.raises(StorageUnavailable, match=r"refuses s3://.*AWS_SECRET_ACCESS_KEY"),
    ):
        await call(outputs)


async def test_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as silent:
        use_s3(monkeypatch, f"http://{HOST}:{silent.getsockname()[1]}")
        outputs = S3OutputStore(
            "bucket", retry={"max_retries": 0}, client={"timeout": timedelta(milliseconds=200)}
        )
        with pytest.raises(StorageUnavailable, match="cannot be used"):
            await outputs.save("t1", "0", b"data", PNG)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
@pytest.mark.parametrize("value", ["", "127.0.0.1:9000", "minio", "ftp://minio", "http://"])
def test_endpoint_that_is_no_url_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    use_s3(monkeypatch, "http://127.0.0.1:9000")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(name, value)
    with pytest.raises(OutputsUnusable, match=f"{name} is '{value}'"):
        open_outputs("s3://bucket", tmp_path)


def test_variable_that_is_wrong_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_s3(monkeypatch, "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "perhaps")
    with pytest.raises(OutputsUnusable, match="perhaps"):
        open_outputs("s3://bucket", tmp_path)
