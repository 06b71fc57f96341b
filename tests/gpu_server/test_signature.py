"""Signed requests: what is refused, and when. How they are signed, the contract's tests show."""

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator

import pytest

from tests.gpu_server.serving import problem, serving

SECRET = "a secret of the tests"
BODY = b'{"workflow": "free_generation"}'


def signed(
    body: bytes = BODY, secret: str = SECRET, timestamp: str | None = None
) -> dict[str, str]:
    """The headers of a `POST /generate` with this body."""
    now = timestamp or str(int(time.time()))
    digest = hashlib.sha256(body).hexdigest()
    text = f"POST\n/generate\n\n{now}\n{digest}"
    made = hmac.new(secret.encode(), text.encode("latin-1"), hashlib.sha256).hexdigest()
    return {
        "X-Gateway-Timestamp": now,
        "X-Gateway-Body-SHA256": digest,
        "X-Gateway-Signature": f"v1={made}",
    }


async def test_signed_request_is_taken() -> None:
    async with serving(gpu_service_secret=SECRET) as service:
        assert (await service.send(BODY, **signed())).json()["status"] == "done"


async def test_body_that_comes_in_pieces_is_taken() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(len(BODY)):
            yield BODY[number : number + 1]

    async with serving(gpu_service_secret=SECRET) as service:
        assert (await service.send(pieces(), **signed())).json()["status"] == "done"


async def test_body_that_is_not_the_signed_one_is_refused() -> None:
    async with serving(gpu_service_secret=SECRET) as service:
        reply = await service.send(BODY.replace(b"free", b"evil"), **signed())
    problem(reply, 401, "signature_invalid")


async def test_stranger_is_refused_before_a_byte_is_read() -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield BODY

    async with serving(gpu_service_secret=SECRET) as service:
        problem(await service.send(body()), 401, "signature_missing")
        wrong = signed(secret="another secret of the tests")
        problem(await service.send(body(), **wrong), 401, "signature_invalid")
    assert read == []


@pytest.mark.parametrize("length", [None, "3000000"], ids=["counted", "declared"])
async def test_signed_body_is_bounded_as_any_other(length: str | None) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1_000_000

    declared = {"Content-Length": length} if length else {}
    async with serving(gpu_service_secret=SECRET, max_body_mb=1) as service:
        reply = await service.send(body(), **signed(b"x" * 3_000_000), **declared)
    problem(reply, 413, "body_too_large")


@pytest.mark.parametrize("timestamp", ["soon", "-1", "1.5", "9" * 400, "١٢٣", " "])
async def test_time_that_is_none_is_refused_though_it_is_signed(timestamp: str) -> None:
    timestamp = timestamp.encode().decode("latin-1")
    async with serving(gpu_service_secret=SECRET) as service:
        reply = await service.http.post(
            "/generate",
            content=BODY,
            headers=[
                (name.encode(), value.encode("latin-1"))
                for name, value in signed(timestamp=timestamp).items()
            ],
        )
    problem(reply, 401, "signature_invalid")


@pytest.mark.parametrize("signature", ["v1=", "v2=abc", "abc", "v1=\xff"])
async def test_signature_that_is_none_is_refused(signature: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in signed().items()]
    headers[-1] = (b"X-Gateway-Signature", signature.encode("latin-1"))
    async with serving(gpu_service_secret=SECRET) as service:
        reply = await service.http.post("/generate", content=BODY, headers=headers)
    problem(reply, 401, "signature_invalid")


async def test_refusal_says_how_to_say_who_one_is() -> None:
    """RFC 9110, 11.6.1."""
    async with serving(gpu_service_secret=SECRET) as service:
        reply = await service.send(BODY)
    assert reply.headers["WWW-Authenticate"] == "Signature"


async def test_clock_that_is_wrong_is_named() -> None:
    old = str(int(time.time()) - 400)
    async with serving(gpu_service_secret=SECRET) as service:
        told = problem(await service.send(BODY, **signed(timestamp=old)), 401, "signature_expired")
    assert "signed 40" in told["detail"]
    assert "Set the clocks" in told["detail"]


async def test_without_a_secret_anybody_is_let_in() -> None:
    async with serving() as service:
        assert (await service.send(BODY)).json()["status"] == "done"


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json"])
async def test_probes_and_documentation_are_open(path: str) -> None:
    async with serving(gpu_service_secret=SECRET) as service:
        assert (await service.http.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/health/", "//health", "/health/../workflows", "/HEALTH"])
async def test_what_only_looks_like_an_open_path_is_not(path: str) -> None:
    async with serving(gpu_service_secret=SECRET) as service:
        reply = await service.http.get(path, follow_redirects=False)
    problem(reply, 401, "signature_missing")


async def test_paths_that_are_none_of_ours_tell_a_stranger_nothing() -> None:
    async with serving(gpu_service_secret=SECRET) as service:
        problem(await service.http.get("/nowhere"), 401, "signature_missing")


async def test_stranger_s_wrong_body_is_not_looked_at() -> None:
    async with serving(gpu_service_secret=SECRET) as service:
        problem(await service.send(b"{"), 401, "signature_missing")


async def test_service_that_checks_nothing_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as service:
        for _ in range(2):
            await service.send(BODY, **signed())
    [line] = [each for each in caplog.records if each.name == "gpu_server.signature"]
    assert line.levelno == logging.WARNING
    assert "GPU_SERVICE_SECRET" in line.getMessage()


async def test_secret_is_never_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(gpu_service_secret=SECRET, log_level="DEBUG") as service:
        await service.send(BODY, **signed())
        await service.send(BODY)
    assert SECRET not in caplog.text + capsys.readouterr().out
