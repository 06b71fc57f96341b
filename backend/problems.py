"""Every error as one kind of answer: `application/problem+json` (RFC 9457)."""

import json
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend import openai_errors
from backend.errors import BackendError, RangeNotSatisfiable
from backend.large_texts import json_length

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
MAX_ECHO = 200
"""Characters of a wrong input that are sent back: it may be a whole image."""
MAX_ERRORS = 20
"""Errors that are listed, of one request."""

UNREADABLE = (ValueError, RecursionError)
"""JSON that Python cannot read: wrong bytes, huge numbers, deep nesting. FastAPI has 400 for it."""

BUG = "This is our bug; the service's log has the trace."
CHALLENGE = {"WWW-Authenticate": "Bearer"}
UNREAD = 65_536
"""Bytes of a stranger's body that may still come; of more, the connection is closed."""

CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    503: "too_busy",
}
"""Of the answers that the framework gives by itself."""


class Problem(BaseModel):
    """The fields of every error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: Any
    code: str
    retryable: bool


def add_error_handlers(app: FastAPI) -> None:
    """Render all errors of the application as problems; to be called before `add_middleware`."""
    app.add_middleware(BugAnswer)

    @app.exception_handler(BackendError)
    async def own(request: Request, exc: BackendError) -> Response:
        headers = _refusal(request) if exc.status == 401 else None
        if isinstance(exc, RangeNotSatisfiable):
            headers = {"Content-Range": f"bytes */{exc.size}"}
        extra = dict(exc.extra)
        answer = _answer_of(request)
        return answer(exc.status, exc.code, exc.message, exc.retryable, headers=headers, **extra)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, exc: RequestValidationError) -> Response:
        return _invalid(request, exc.errors())

    @app.exception_handler(HTTPException)
    async def http(request: Request, exc: HTTPException) -> Response:
        if exc.status_code == 400 and isinstance(exc.__cause__, UNREADABLE):
            return _invalid(request, [_unreadable(exc.__cause__)])
        code = CODES.get(exc.status_code, f"http_{exc.status_code}")
        headers = dict(exc.headers or {})
        if exc.status_code == 405:
            headers |= _allowed(request)
        return _answer_of(request)(exc.status_code, code, exc.detail, headers=headers)


class BugAnswer:
    """Pure ASGI: a bug is answered inside of what adds headers, CORS and others, to all answers.

    Starlette's own place for it is outside of them: no page could read that there was an error.
    It is raised again, so that the server logs it with its trace.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application answers, unless it raises before it has begun to."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if scope["type"] == "http" and not begun:
                answer = _answer_of(Request(scope))(500, "internal_error", BUG)
                await answer(scope, receive, send)
            raise


def _answer_of(request: Request) -> Callable[..., Response]:
    """How errors are told there."""
    return _openai if request.url.path.startswith(openai_errors.PREFIX) else _problem


def _openai(status: int, code: str, detail: Any, retryable: bool = False, **extra: Any) -> Response:
    headers = _headers(status, extra)
    # Else its clients would try again by themselves what has run and failed.
    headers["x-should-retry"] = str(retryable).lower()
    status = openai_errors.status_of(status)
    body = json.dumps(openai_errors.envelope(status, code, detail, extra), default=str)
    return Response(body, status, headers, "application/json")


def _refusal(request: Request) -> dict[str, str]:
    """Headers for a stranger, whose body nobody has read."""
    declared = request.headers.get("content-length", "0")
    small = declared.isdigit() and len(declared) < 10 and int(declared) <= UNREAD
    if small and "transfer-encoding" not in request.headers:
        return CHALLENGE
    return CHALLENGE | {"Connection": "close"}


def _headers(status: int, extra: dict[str, Any]) -> dict[str, str]:
    headers = dict(extra.pop("headers", None) or {})
    if status in (429, 503, 507):
        headers.setdefault("Retry-After", str(extra.get("retry_after", RETRY_AFTER_SECONDS)))
    return headers


def _allowed(request: Request) -> dict[str, str]:
    """All methods of the path, where the application knows them."""
    methods = getattr(request.app.state, "allowed_methods", None)
    allowed = methods(request.url.path) if methods else ""
    return {"Allow": allowed} if allowed else {}


def _problem(
    status: int, code: str, detail: Any, retryable: bool = False, **extra: Any
) -> Response:
    headers = _headers(status, extra)
    problem = Problem(
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        retryable=retryable,
    )
    # ASCII only: a lone surrogate that a client sent has no UTF-8.
    body = json.dumps({**problem.model_dump(), **extra}, default=str)
    return Response(body, status, headers, MEDIA_TYPE)


def _invalid(request: Request, errors: Sequence[Any]) -> Response:
    told = [_short(error) for error in errors[:MAX_ERRORS]]
    return _answer_of(request)(422, "validation_error", told)


def _unreadable(cause: BaseException) -> dict[str, Any]:
    """What FastAPI says of other wrong JSON."""
    return {
        "type": "json_invalid",
        "loc": ["body"],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": str(cause)[:MAX_ECHO]},
    }


def _short(error: dict[str, Any]) -> dict[str, Any]:
    """The error with an input that is short, and is JSON: NaN and bytes are not."""
    value = error.get("input")
    try:
        length = json_length(value)
    except (TypeError, ValueError, RecursionError):
        return {**error, "input": reprlib.repr(value)}
    return {**error, "input": f"<{length} characters>"} if length > MAX_ECHO else error
