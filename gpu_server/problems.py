"""Every error as one kind of answer: `application/problem+json` (RFC 9457)."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gpu_server.correlation import REQUEST_ID, current
from gpu_server.errors import GPUServiceError
from gpu_server.large_texts import json_length

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
MAX_ECHO = 200
"""Characters of a wrong input that are sent back: it may be a whole image."""
MAX_ERRORS = 20
"""Errors that are listed, of one request."""

BUG = "This is our bug; the service's log has the trace."
UNREADABLE = (ValueError, RecursionError)
"""JSON that Python cannot read: wrong bytes, huge numbers, deep nesting. FastAPI has 400 for it."""

CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
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
    """Render all errors of the application as problems."""

    @app.exception_handler(GPUServiceError)
    async def own(_: Request, exc: GPUServiceError) -> Response:
        return answer_to(exc)

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, exc: RequestValidationError) -> Response:
        return _invalid(exc.errors())

    @app.exception_handler(HTTPException)
    async def http(request: Request, exc: HTTPException) -> Response:
        if exc.status_code == 400 and isinstance(exc.__cause__, UNREADABLE):
            return _invalid([_unreadable(exc.__cause__)])
        if exc.status_code == 405:
            exc.headers = {**(exc.headers or {}), **_allowed(request)}
        return answer_to(exc)

    @app.exception_handler(Exception)
    async def bug(_: Request, exc: Exception) -> Response:
        # Starlette answers this outside of all middleware.
        headers = {REQUEST_ID: current().request_id or ""}
        return _problem(500, "internal_error", BUG, headers)


def answer_to(exc: GPUServiceError | HTTPException) -> Response:
    """The answer to a request that ends with this error."""
    if isinstance(exc, HTTPException):
        code = CODES.get(exc.status_code, f"http_{exc.status_code}")
        return _problem(exc.status_code, code, exc.detail, exc.headers)
    challenge = {"WWW-Authenticate": "Signature"} if exc.status == 401 else None
    return _answer(exc.document(), challenge)


def _allowed(request: Request) -> dict[str, str]:
    """All methods of the path, where the application knows them."""
    methods = getattr(request.app.state, "allowed_methods", None)
    allowed = methods(request.url.path) if methods else ""
    return {"Allow": allowed} if allowed else {}


def _problem(
    status: int, code: str, detail: Any, headers: Mapping[str, str] | None = None
) -> Response:
    problem = Problem(
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        retryable=False,
    )
    return _answer(problem.model_dump(), headers)


def _answer(document: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    status: int = document["status"]
    more = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else {}
    # ASCII only: a lone surrogate that a client sent has no UTF-8.
    return Response(
        json.dumps(document, default=str), status, {**more, **(headers or {})}, MEDIA_TYPE
    )


def _invalid(errors: Sequence[Any]) -> Response:
    return _problem(422, "validation_error", [_short(error) for error in errors[:MAX_ERRORS]])


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
