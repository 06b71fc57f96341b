"""Signed requests: with GPU_SERVICE_SECRET set, only those who have it are let in."""

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpu_server.errors import (
    GPUServiceError,
    SignatureExpired,
    SignatureInvalid,
    SignatureMissing,
)
from gpu_server.problems import answer_to

log = logging.getLogger("gpu_server.signature")

TOLERANCE_SECONDS = 300
"""Either way: that the clocks of two machines may differ, and a request may take."""
OPEN_PATHS = frozenset(
    {
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
        "/docs",
        "/docs/oauth2-redirect",
        "/redoc",
        "/openapi.json",
    }
)
"""What says nothing of anybody's jobs: probes, numbers, and how to talk to us."""
MISSING = (
    "This request is not signed. Set GPU_SERVICE_SECRET of the backend and its workers to the GPU "
    "service's, and start them again."
)
INVALID = (
    "This request is signed with another secret, or was changed on its way. Set GPU_SERVICE_SECRET "
    "to the same on both services, and let no proxy between them change path or body."
)
WHOLE_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class SignatureCheck:
    """Pure ASGI: answers 401 to what is not signed with `secret`; without one, lets all pass.

    A signature counts for five minutes, and who can read the traffic can send a request again
    meanwhile: `PUT /jobs/{id}` is then the same job, and a job that is cancelled stays so; only
    `POST /generate`, which the backend does not use, runs again.
    """

    def __init__(self, app: ASGIApp, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._app = app
        self._secret = secret.encode()
        self._clock = clock
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Headers first: of a stranger's body not a byte is read."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._secret:
            self._warn_of(headers)
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope, headers)
            body = await _body(receive, headers["x-gateway-body-sha256"])
        except (GPUServiceError, HTTPException) as exc:
            await answer_to(exc)(scope, receive, send)
            return

        async def replayed() -> Message:
            return body.pop(0) if body else await receive()

        await self._app(scope, replayed, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raises SignatureMissing, SignatureExpired, SignatureInvalid."""
        signature = headers.get("x-gateway-signature", "")
        timestamp = headers.get("x-gateway-timestamp", "")
        if not signature:
            raise SignatureMissing(MISSING)
        if not WHOLE_SECONDS.fullmatch(timestamp):
            raise SignatureInvalid("X-Gateway-Timestamp is a time in whole seconds.")
        late = self._clock() - int(timestamp)
        if abs(late) > TOLERANCE_SECONDS:
            raise SignatureExpired(
                f"The request was signed {abs(late):.0f} s {'before' if late > 0 else 'ahead of'} "
                "our time. Set the clocks of both machines."
            )
        digest = headers.get("x-gateway-body-sha256", "")
        wanted = f"v1={self._sign(scope, timestamp, digest)}"
        if not hmac.compare_digest(signature.encode("latin-1"), wanted.encode()):
            raise SignatureInvalid(INVALID)

    def _sign(self, scope: Scope, timestamp: str, digest: str) -> str:
        path = scope.get("raw_path") or quote(scope["path"]).encode()
        told = (
            scope["method"].encode(),
            path.partition(b"?")[0],
            scope["query_string"],
            timestamp.encode("latin-1"),
            digest.encode("latin-1"),
        )
        return hmac.new(self._secret, b"\n".join(told), hashlib.sha256).hexdigest()

    def _warn_of(self, headers: Headers) -> None:
        if "x-gateway-signature" in headers and not self._warned:
            self._warned = True
            log.warning(
                "Requests are signed, and nobody checks it here: anybody may send some. "
                "Set GPU_SERVICE_SECRET to the backend's"
            )


async def _body(receive: Receive, digest: str) -> list[Message]:
    """The messages of the body, once they are what was signed. Raises SignatureInvalid.

    Bounded in size and time by `BodyLimit`, whose HTTPException may come instead.
    """
    messages: list[Message] = []
    seen = hashlib.sha256()
    while not messages or messages[-1].get("more_body", False):
        messages.append(await receive())
        seen.update(messages[-1].get("body", b""))
        if messages[-1]["type"] == "http.disconnect":
            return messages
    if not hmac.compare_digest(seen.hexdigest().encode(), digest.encode("latin-1")):
        raise SignatureInvalid(
            "The body is not the one that was signed: it was changed on its way."
        )
    return messages
