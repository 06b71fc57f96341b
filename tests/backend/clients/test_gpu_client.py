"""The GPU service's HTTP API, as the backend calls it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest

from backend.clients.gpu_client import GPUClient
from backend.errors import (
    GPUServiceError,
    GPUServiceRefused,
    GPUServiceTimeout,
    GPUServiceUnreachable,
)
from tests import plain_http
from tests.backend.gpu_service import DONE, GPU_URL, GPUService

FIVE_SECONDS = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}
MAPPING: dict[type[httpx.HTTPError], type[GPUServiceError]] = {
    httpx.ConnectError: GPUServiceUnreachable,
    httpx.ConnectTimeout: GPUServiceUnreachable,
    httpx.UnsupportedProtocol: GPUServiceUnreachable,
    httpx.ReadTimeout: GPUServiceTimeout,
    httpx.WriteTimeout: GPUServiceTimeout,
    httpx.PoolTimeout: GPUServiceTimeout,
    httpx.TimeoutException: GPUServiceTimeout,
    httpx.ReadError: GPUServiceError,
    httpx.WriteError: GPUServiceError,
    httpx.CloseError: GPUServiceError,
    httpx.NetworkError: GPUServiceError,
    httpx.LocalProtocolError: GPUServiceError,
    httpx.RemoteProtocolError: GPUServiceError,
    httpx.ProtocolError: GPUServiceError,
    httpx.ProxyError: GPUServiceError,
    httpx.TransportError: GPUServiceError,
    httpx.DecodingError: GPUServiceError,
    httpx.TooManyRedirects: GPUServiceError,
    httpx.RequestError: GPUServiceError,
    httpx.HTTPStatusError: GPUServiceError,
}


def below(kind: type[httpx.HTTPError]) -> Iterator[type[httpx.HTTPError]]:
    for each in kind.__subclasses__():
        if each.__module__.split(".")[0] == "httpx":
            yield each
            yield from below(each)


def raised(kind: type[httpx.HTTPError]) -> httpx.HTTPError:
    request = httpx.Request("POST", GPU_URL)
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("no", request=request, response=httpx.Response(500))
    if issubclass(kind, httpx.RequestError):
        return kind("no", request=request)
    return kind("no")


# check_health


async def test_health_is_true_on_200(gpu_client: GPUClient) -> None:
    """Spec: GPU Client, check_health(): true if 200 response."""
    assert await gpu_client.check_health() is True


async def test_health_asks_the_health_endpoint_once(gpu: GPUService, gpu_client: GPUClient) -> None:
    """Spec: GPU Client, check_health(): sends GET request to GPU service `/health`."""
    await gpu_client.check_health()
    assert gpu.health.call_count == 1


async def test_health_is_asked_with_five_seconds(gpu: GPUService, gpu_client: GPUClient) -> None:
    """Spec: GPU Client, check_health(): 5-second timeout."""
    await gpu_client.check_health()
    assert gpu.health.calls.last.request.extensions["timeout"] == FIVE_SECONDS


@pytest.mark.parametrize("status", [204, 301, 404, 500, 503])
async def test_health_is_false_on_another_status(
    gpu: GPUService, gpu_client: GPUClient, status: int
) -> None:
    """Spec: GPU Client, check_health(): true if 200 response."""
    gpu.health.respond(status)
    assert await gpu_client.check_health() is False


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("garbage"),
        httpx.InvalidURL("no URL"),
        RuntimeError("whatever else"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_health_is_false_on_any_exception(
    gpu: GPUService, gpu_client: GPUClient, error: Exception
) -> None:
    """Spec: GPU Client, check_health(): catches all exceptions and returns false."""
    gpu.health.side_effect = error
    assert await gpu_client.check_health() is False


async def test_health_is_false_for_a_url_that_is_none() -> None:
    async with plain_http.AsyncClient() as http:
        assert await GPUClient(http, "http://gpu:port").check_health() is False


async def test_health_that_trickles_in_is_false_when_the_time_is_over() -> None:
    """Spec: GPU Client, check_health(): 5-second timeout, of the call as a whole."""

    hung_up = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not reader.at_eof():
                writer.write(b"x")
                with anyio.move_on_after(0.02):
                    await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        hung_up.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, plain_http.AsyncClient() as http:
        with anyio.fail_after(4):
            client = GPUClient(http, f"http://127.0.0.1:{port}", health_timeout=0.2)
            assert await client.check_health() is False
            await hung_up.wait()


# generate


async def test_generate_posts_workflow_and_params(gpu: GPUService, gpu_client: GPUClient) -> None:
    """Spec: GPU Client, generate(): payload `{"workflow": …, "params": …}`."""
    await gpu_client.generate("free_generation", {"prompt": "café", "steps": 20})
    sent = json.loads(gpu.generate.calls.last.request.content)
    assert sent == {"workflow": "free_generation", "params": {"prompt": "café", "steps": 20}}


async def test_generate_returns_the_json(gpu_client: GPUClient) -> None:
    """Spec: GPU Client, generate(): returns JSON response."""
    assert await gpu_client.generate("w", {}) == DONE


async def test_generate_takes_180_seconds_unless_told(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    """Spec: GPU Client, generate(): default 180s."""
    await gpu_client.generate("w", {})
    assert gpu.generate.calls.last.request.extensions["timeout"]["read"] == 180.0


async def test_generate_timeout_is_configurable(gpu: GPUService) -> None:
    """Spec: GPU Client, generate(): configurable timeout."""
    async with plain_http.AsyncClient() as http:
        await GPUClient(http, GPU_URL, timeout=3).generate("w", {})
    assert gpu.generate.calls.last.request.extensions["timeout"]["read"] == 3


async def test_url_may_end_with_a_slash(gpu: GPUService) -> None:
    async with plain_http.AsyncClient() as http:
        assert await GPUClient(http, f"{GPU_URL}/").generate("w", {}) == DONE


async def test_generate_raises_on_timeout(gpu: GPUService) -> None:
    """Spec: GPU Client, generate(): raises exception on timeout."""
    gpu.generate.side_effect = httpx.ReadTimeout("slow")
    async with plain_http.AsyncClient() as http:
        with pytest.raises(GPUServiceTimeout, match=r"within 7 s.*raise REQUEST_TIMEOUT"):
            await GPUClient(http, GPU_URL, timeout=7).generate("w", {})


@pytest.mark.parametrize("status", [201, 302, 400, 404, 422, 500, 502, 503])
async def test_generate_raises_on_http_error(
    gpu: GPUService, gpu_client: GPUClient, status: int
) -> None:
    """Spec: GPU Client, generate(): raises exception on HTTP error."""
    gpu.generate.respond(status)
    with pytest.raises(GPUServiceRefused, match=f"answered {status}"):
        await gpu_client.generate("w", {})


def test_every_httpx_error_has_a_mapping() -> None:
    assert set(below(httpx.HTTPError)) == set(MAPPING)


@pytest.mark.parametrize("kind", MAPPING, ids=lambda kind: kind.__name__)
async def test_httpx_error_becomes_ours(
    gpu: GPUService, gpu_client: GPUClient, kind: type[httpx.HTTPError]
) -> None:
    gpu.generate.side_effect = raised(kind)
    with pytest.raises(GPUServiceError) as caught:
        await gpu_client.generate("w", {})
    assert type(caught.value) is MAPPING[kind]
    assert isinstance(caught.value.__cause__, kind)


async def test_unreachable_names_the_url_and_the_setting(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    gpu.generate.side_effect = httpx.ConnectError("refused")
    with pytest.raises(GPUServiceUnreachable, match=f"{GPU_URL}.*GPU_SERVICE_URL"):
        await gpu_client.generate("w", {})


async def test_a_url_that_is_none_is_unreachable() -> None:
    async with plain_http.AsyncClient() as http:
        with pytest.raises(GPUServiceUnreachable, match="set GPU_SERVICE_URL"):
            await GPUClient(http, "http://gpu:port").generate("w", {})


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[1]", b"null", b"\xff", b"[" * 100_000],
    ids=["empty", "html", "list", "null", "no utf-8", "nested"],
)
async def test_answer_that_is_no_json_object_raises(
    gpu: GPUService, gpu_client: GPUClient, content: bytes
) -> None:
    gpu.generate.respond(200, content=content)
    with pytest.raises(GPUServiceError, match="something else than JSON") as caught:
        await gpu_client.generate("w", {})
    assert caught.value.retryable


async def test_refusal_keeps_the_gpu_service_s_words(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    problem = {
        "code": "invalid_parameter",
        "detail": "steps is 0, at least 1.",
        "retryable": False,
        "parameter": "steps",
        "hint": "20 is usual",
    }
    gpu.generate.respond(422, json=problem)
    with pytest.raises(GPUServiceRefused) as caught:
        await gpu_client.generate("w", {})
    refused = caught.value
    assert (refused.message, refused.code) == ("steps is 0, at least 1.", "invalid_parameter")
    assert refused.extra == {"parameter": "steps", "hint": "20 is usual"}


@pytest.mark.parametrize("retryable", [True, False])
async def test_refusal_is_retryable_where_the_gpu_service_says_so(
    gpu: GPUService, gpu_client: GPUClient, retryable: bool
) -> None:
    gpu.generate.respond(502, json={"code": "x", "detail": "d", "retryable": retryable})
    with pytest.raises(GPUServiceRefused) as caught:
        await gpu_client.generate("w", {})
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (503, True), (404, False)])
async def test_refusal_without_a_problem_is_retryable_from_500_on(
    gpu: GPUService, gpu_client: GPUClient, status: int, retryable: bool
) -> None:
    gpu.generate.respond(status, text="Bad gateway")
    with pytest.raises(GPUServiceRefused) as caught:
        await gpu_client.generate("w", {})
    assert caught.value.retryable is retryable


# catalogue


async def test_catalogue_is_what_the_gpu_service_can_run(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    gpu.has_workflows("free_generation")
    catalogue = await gpu_client.catalogue()
    assert catalogue is not None
    assert catalogue.engine == "comfyui"
    assert [entry.name for entry in catalogue.workflows] == ["free_generation"]


@pytest.mark.parametrize("answer", [{}, {"engine": "other", "workflows": []}])
async def test_catalogue_of_another_shape_raises(
    gpu: GPUService, gpu_client: GPUClient, answer: dict[str, Any]
) -> None:
    gpu.workflows.respond(json=answer)
    with pytest.raises(ValueError, match="Catalogue"):
        await gpu_client.catalogue()
