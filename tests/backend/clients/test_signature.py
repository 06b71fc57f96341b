"""Signed requests: what is sent. That the GPU service takes it, the contract's tests show."""

import hashlib
import hmac
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from backend.clients.json_body import EXTENSION, SENT_AT_ONCE, JSONBody
from backend.clients.signature import RequestSignature
from tests import plain_http

SECRET = "a secret of the tests"
NOW = 1_700_000_000.9


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client that signs."""
    signature = RequestSignature(SECRET, lambda: NOW)
    async with plain_http.AsyncClient(auth=signature) as http:
        yield http


def signature(method: str, path: str, query: str, body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    text = f"{method}\n{path}\n{query}\n1700000000\n{digest}"
    return "v1=" + hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


async def test_method_path_query_time_and_body_are_signed(
    http: httpx.AsyncClient, respx_mock: respx.MockRouter
) -> None:
    respx_mock.route()
    await http.put("http://gpu/jobs/a%20b?x=1&y=%20", content=b"body")
    sent = respx_mock.calls.last.request.headers
    assert sent["X-Gateway-Timestamp"] == "1700000000"
    assert sent["X-Gateway-Body-SHA256"] == hashlib.sha256(b"body").hexdigest()
    assert sent["X-Gateway-Signature"] == signature("PUT", "/jobs/a%20b", "x=1&y=%20", b"body")


async def test_empty_body_is_signed(http: httpx.AsyncClient, respx_mock: respx.MockRouter) -> None:
    respx_mock.route()
    await http.post("http://gpu/generate")
    sent = respx_mock.calls.last.request
    assert sent.headers["X-Gateway-Signature"] == signature("POST", "/generate", "", b"")


async def test_body_in_pieces_is_signed_and_sent_as_it_is(
    http: httpx.AsyncClient, respx_mock: respx.MockRouter
) -> None:
    respx_mock.route()
    large = b"x" * (2 * SENT_AT_ONCE + 1)
    body = JSONBody([b'{"a":"', large, b'"}'])
    whole = b'{"a":"' + large + b'"}'
    length = {"Content-Length": str(len(body))}
    extensions = {EXTENSION: body}
    await http.put("http://gpu/jobs/a", content=body, headers=length, extensions=extensions)
    sent = respx_mock.calls.last.request
    assert sent.headers["X-Gateway-Signature"] == signature("PUT", "/jobs/a", "", whole)
    assert sent.content == whole
    assert int(sent.headers["Content-Length"]) == len(whole)
    assert "Transfer-Encoding" not in sent.headers


async def test_name_and_password_of_the_url_are_still_sent(
    http: httpx.AsyncClient, respx_mock: respx.MockRouter
) -> None:
    respx_mock.route()
    await http.get("http://name:password@gpu/workflows")
    sent = respx_mock.calls.last.request.headers
    assert sent["Authorization"] == "Basic bmFtZTpwYXNzd29yZA=="
    assert sent["X-Gateway-Signature"] == signature("GET", "/workflows", "", b"")


async def test_secret_is_in_no_header(
    http: httpx.AsyncClient, respx_mock: respx.MockRouter
) -> None:
    respx_mock.route()
    await http.get("http://gpu/workflows")
    assert SECRET not in str(respx_mock.calls.last.request.headers.raw)
