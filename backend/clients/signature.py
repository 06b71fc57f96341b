"""Signed requests to the GPU service, where there is a GPU_SERVICE_SECRET."""

import hashlib
import hmac
import time
from collections.abc import AsyncGenerator, Callable, Generator

import httpx

from backend.clients.json_body import EXTENSION, JSONBody

TIMESTAMP, SIGNATURE = "X-Gateway-Timestamp", "X-Gateway-Signature"
BODY_HASH = "X-Gateway-Body-SHA256"
VERSION = "v1="


class RequestSignature(httpx.Auth):
    """HMAC-SHA256 over the method, the path, the query, the time, and the body's hash.

    The hash is a header, too: a stranger is refused before a byte of the body is read.
    Whoever has no secret can neither make a request nor change one; one that is repeated within
    the five minutes that it holds does no more than it did, as jobs go by their ids.
    """

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """For a client that is not asynchronous."""
        yield self._signed(request, hashlib.sha256(request.read()).hexdigest())

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The same, without holding up the event loop."""
        body = request.extensions.get(EXTENSION)
        if isinstance(body, JSONBody):
            digest = await body.sha256()
        else:
            digest = hashlib.sha256(await request.aread()).hexdigest()
        yield self._signed(request, digest)

    def _signed(self, request: httpx.Request, digest: str) -> httpx.Request:
        at = str(int(self._clock()))
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        message = "\n".join([request.method, path, query, at, digest])
        made = hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()
        request.headers[TIMESTAMP] = at
        request.headers[BODY_HASH] = digest
        request.headers[SIGNATURE] = VERSION + made
        if not request.url.userinfo:
            return request
        # A name and a password in the URL are for a proxy: httpx sends them where no Auth is set.
        basic = httpx.BasicAuth(request.url.username, request.url.password)
        return next(basic.sync_auth_flow(request))
