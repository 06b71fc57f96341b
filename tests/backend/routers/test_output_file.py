"""Files as answers: the same from this machine's disk and from an S3 server."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from backend.problems import add_error_handlers
from backend.routers.output_file import PART_BYTES, output_file
from backend.store.outputs.opening import open_outputs
from backend.store.outputs.output_store import LocalFile, OutputStore, RemoteFile
from tests.s3_server import S3Server, running_s3, use_s3

DATA = bytes(range(256))
PART = {"Range": "bytes=2-7"}
HOW = ("HEAD", "GET")


@dataclass
class Served:
    """A client of an application that serves one file, found before it is asked for."""

    outputs: OutputStore
    client: httpx.AsyncClient
    found: LocalFile | RemoteFile | None = None
    content_type: str = ""

    async def keeps(self, data: bytes, content_type: str = "video/mp4") -> None:
        output = await self.outputs.save("t1", "0", data, content_type)
        self.found = await self.outputs.file("t1", output)
        self.content_type = content_type

    async def get(self, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get("/file", headers=names)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture(params=["local", "s3"])
async def served(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    url = ""
    if request.param == "s3":
        s3: S3Server = request.getfixturevalue("s3")
        use_s3(monkeypatch, s3.url)
        url = f"s3://{s3.new_bucket()}/prefix"
    app = FastAPI()
    add_error_handlers(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        served = Served(open_outputs(url, tmp_path), client)

        @app.head("/file")
        @app.get("/file", response_class=Response)
        async def file() -> Response:
            assert served.found is not None
            return output_file(served.found, served.content_type)

        yield served


@pytest.mark.parametrize(
    "data", [DATA, b"", DATA * (PART_BYTES // 256) * 2 + b"end"], ids=["small", "empty", "large"]
)
async def test_file_comes_back_whole(served: Served, data: bytes) -> None:
    await served.keeps(data)
    reply = await served.get()
    assert (reply.status_code, reply.content) == (200, data)
    assert reply.headers["content-length"] == str(len(data))
    assert reply.headers["content-type"] == "video/mp4"
    assert reply.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(("asked", "status", "size"), [({}, 200, 256), (PART, 206, 6)], ids=str)
async def test_head_is_told_what_get_would_be(
    served: Served, asked: dict[str, str], status: int, size: int
) -> None:
    await served.keeps(DATA)
    reply, whole = [await served.client.request(how, "/file", headers=asked) for how in HOW]
    assert (reply.status_code, reply.content) == (status, b"")
    assert reply.headers == whole.headers
    assert reply.headers["content-length"] == str(size)


@pytest.mark.parametrize("content_type", ["text/plain; charset=latin-1", "model/gltf-binary"])
async def test_file_has_the_type_that_it_was_made_as(served: Served, content_type: str) -> None:
    await served.keeps(DATA, content_type)
    assert (await served.get()).headers["content-type"] == content_type


async def test_file_cannot_act_as_a_page_of_ours(served: Served) -> None:
    await served.keeps(b"<script>", "text/html")
    headers = (await served.get()).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    ("wanted", "content", "told"),
    [
        ("bytes=0-9", DATA[:10], "bytes 0-9/256"),
        ("bytes=250-", DATA[250:], "bytes 250-255/256"),
        ("bytes=-6", DATA[250:], "bytes 250-255/256"),
        ("bytes=0-9999", DATA, "bytes 0-255/256"),
    ],
)
async def test_range_is_answered_with_that_part(
    served: Served, wanted: str, content: bytes, told: str
) -> None:
    await served.keeps(DATA)
    reply = await served.get(range=wanted)
    assert (reply.status_code, reply.content) == (206, content)
    assert reply.headers["content-range"] == told
    assert reply.headers["content-length"] == str(len(content))


async def test_large_range_is_answered_with_that_part(served: Served) -> None:
    data = DATA * (PART_BYTES // 256) * 2
    await served.keeps(data)
    reply = await served.get(range=f"bytes=100-{len(data) - 101}")
    assert (reply.status_code, reply.content == data[100:-100]) == (206, True)


async def test_range_behind_the_end_is_416(served: Served) -> None:
    await served.keeps(DATA)
    reply = await served.get(range="bytes=256-")
    assert (reply.status_code, reply.json()["code"]) == (416, "range_not_satisfiable")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["content-range"] == "bytes */256"


@pytest.mark.parametrize("header", ["bytes=x-y", "bytes=9-2", "lines=0-1", "bytes=-", "nonsense"])
async def test_range_that_is_none_is_the_whole_file(served: Served, header: str) -> None:
    """RFC 9110, 14.2: an invalid Range is passed over."""
    await served.keeps(DATA)
    reply = await served.get(range=header)
    assert (reply.status_code, reply.content) == (200, DATA)


@pytest.mark.parametrize("validator", ["etag", "last-modified"])
async def test_range_of_this_version_is_that_part(served: Served, validator: str) -> None:
    await served.keeps(DATA)
    version = (await served.get()).headers[validator]
    reply = await served.get(range="bytes=0-9", if_range=version)
    assert (reply.status_code, reply.content) == (206, DATA[:10])


async def test_range_of_another_version_is_the_whole_file(served: Served) -> None:
    await served.keeps(DATA)
    reply = await served.get(range="bytes=0-9", if_range='"another"')
    assert (reply.status_code, reply.content) == (200, DATA)


async def test_etag_stays_while_the_file_does(served: Served) -> None:
    await served.keeps(DATA)
    first, second = [(await served.get()).headers["etag"] for _ in range(2)]
    await served.keeps(DATA[:100])
    assert first == second != (await served.get()).headers["etag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("wanted", ["", "bytes=0-1", "bytes=999-"])
async def test_who_has_the_file_gets_304_and_no_bytes(
    served: Served, form: str, wanted: str
) -> None:
    """RFC 9110, 13.2.2: If-None-Match comes before Range."""
    await served.keeps(DATA)
    etag = (await served.get()).headers["etag"]
    asked = {"range": wanted} if wanted else {}
    reply = await served.get(if_none_match=form.format(etag), **asked)
    assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", etag)


async def test_file_that_has_just_been_removed_is_404(served: Served) -> None:
    await served.keeps(DATA)
    await served.outputs.remove("t1")
    reply = await served.get()
    assert (reply.status_code, reply.json()["code"]) == (404, "output_not_found")
