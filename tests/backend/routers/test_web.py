"""`GET /` and the files of the page."""

import gzip
import re
from pathlib import Path

import httpx
import pytest

from backend.config import Settings
from backend.routers.web import WEB
from tests.backend.gpu_service import GPUService
from tests.backend.serving import serving

FILES = sorted(path.name for path in WEB.iterdir())
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg"}
LIMIT = 150_000
"""Bytes of all files together, packed as they are sent."""


async def test_page_is_there_without_a_key(settings: Settings, gpu: GPUService) -> None:
    async with serving(settings, require_api_key=True) as client:
        reply = await client.get("/")
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<title>" in reply.text


async def test_head_is_answered(client: httpx.AsyncClient) -> None:
    reply = await client.head("/")
    assert (reply.status_code, reply.content) == (200, b"")


async def test_every_file_has_its_type_and_may_do_little(client: httpx.AsyncClient) -> None:
    for path in ["/", *(f"/web/{name}" for name in FILES)]:
        reply = await client.get(path)
        kind = TYPES[Path(path).suffix or ".html"]
        assert reply.status_code == 200, path
        assert reply.headers["Content-Type"].startswith(kind), path
        policy = reply.headers.get("Content-Security-Policy", "")
        assert bool(policy) is (kind in ("text/html", "image/svg")), path
        assert not policy or "default-src 'none'" in policy
        assert not policy or "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"


async def test_who_has_the_file_already_gets_no_body(client: httpx.AsyncClient) -> None:
    for path in ("/", "/web/style.css"):
        first = await client.get(path)
        assert first.headers["Cache-Control"] == "no-cache"
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_files_are_packed_for_who_takes_that(client: httpx.AsyncClient) -> None:
    packed = await client.get("/web/style.css", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/web/style.css", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert packed.text == plain.text


async def test_nothing_but_the_page_s_files_is_there(client: httpx.AsyncClient) -> None:
    for path in ("../main.py", "..%2fmain.py", "%2e%2e/.env", "/etc/passwd", ""):
        assert (await client.get(f"/web/{path}")).status_code == 404, path


async def test_other_methods_are_told_which_there_are(client: httpx.AsyncClient) -> None:
    for path in ("/", "/web/style.css"):
        reply = await client.post(path)
        assert reply.status_code == 405
        assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD"}


async def test_page_is_not_in_the_document(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/web/")]


def test_all_files_together_are_small() -> None:
    assert sum(len(gzip.compress((WEB / name).read_bytes())) for name in FILES) < LIMIT


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_inline_or_from_elsewhere(name: str) -> None:
    text = (WEB / name).read_text()
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    elsewhere = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not elsewhere
    if name.endswith(".html"):
        assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_every_module_is_fetched_at_once() -> None:
    """What a module imports is known to the browser before it has read the module."""
    index = (WEB / "index.html").read_text()
    modules = [name for name in FILES if name.endswith(".js")]
    assert [name for name in modules if f'"web/{name}"' not in index] == []
