"""A real S3 server over HTTP on the loopback: moto's, whose buckets are in memory."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests import plain_http

HOST = "127.0.0.1"
FOR_EVER = b"inf"


class S3Server:
    """On a free port; it can go away and come back with what it holds."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(HOST, 0, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    @property
    def url(self) -> str:
        """Of the server itself."""
        return f"http://{HOST}:{self._port}"

    def stop(self) -> None:
        """Go away: connections are refused."""
        self._server.stop()

    def start_again(self) -> None:
        """Come back, on the same port."""
        self._server = ThreadedMotoServer(HOST, self._port, verbose=False)
        self._server.start()

    def new_bucket(self) -> str:
        """The name of an empty bucket."""
        name = f"bucket-{uuid.uuid4().hex}"
        self._call("PUT", f"/{name}")
        return name

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody's keys are good, meanwhile."""
        self._call("POST", "/moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self._call("POST", "/moto-api/reset-auth", FOR_EVER)

    def _call(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        with plain_http.Client() as client:
            reply = client.request(method, self.url + path, content=content)
        return reply.raise_for_status()


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """A server that runs meanwhile."""
    server = S3Server()
    try:
        yield server
    finally:
        server.stop()


def use_s3(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Set the environment variables that name this server, and no other ones."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", HOST)
    monkeypatch.setenv("no_proxy", HOST)
