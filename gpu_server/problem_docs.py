"""What the OpenAPI document says of errors: which can come, by status, each with an example."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from gpu_server import errors
from gpu_server.errors import GPUServiceError
from gpu_server.problems import CODES, MEDIA_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]
Told = tuple[int, str, str, bool]
"""Status, code, what it means, whether it may be tried again."""

SIGNED = (errors.SignatureMissing, errors.SignatureInvalid, errors.SignatureExpired)
"""Of every route that takes signed requests only."""
RUNNING = (
    errors.InvalidWorkflowName,
    errors.InvalidParameter,
    errors.WorkflowNotFound,
    errors.WorkflowInvalid,
    errors.ServiceStopping,
    errors.ComfyUIUnavailable,
    errors.ComfyUIRejected,
    errors.ComfyUILostJob,
    errors.ComfyUIOutputBroken,
    errors.ComfyUITimeout,
)
"""Of what runs a workflow."""
BODY = (408, 413)
"""Of every route that takes a body; the framework's own."""
MEANINGS = {
    "validation_error": "The request does not match the schema; `detail` lists where.",
    "internal_error": "A bug of ours; the log has the trace.",
    "request_timeout": "The body stopped half-way, or is too slow.",
    "body_too_large": "The body is larger than MAX_BODY_MB.",
}


def problems(*kinds: type[GPUServiceError], body: bool = False) -> Responses:
    """The errors of a route, as problem documents."""
    return _responses(_told(kinds, body=body))


def _told(kinds: Iterable[type[GPUServiceError]], *, body: bool) -> list[Told]:
    told: list[Told] = [(422, "validation_error", MEANINGS["validation_error"], False)]
    told.append((500, "internal_error", MEANINGS["internal_error"], False))
    for kind in dict.fromkeys(kinds):
        meaning = (kind.__doc__ or "").partition("\n")[0]
        told.append((kind.status, kind.code, meaning, kind.retryable))
    if body:
        told += [(status, CODES[status], MEANINGS[CODES[status]], False) for status in BODY]
    return told


def _responses(told: list[Told]) -> Responses:
    found: Responses = {}
    for status in sorted({each[0] for each in told}):
        these = [each for each in told if each[0] == status]
        found[status] = {
            "description": "\n\n".join(f"`{code}`: {meaning}" for _, code, meaning, _ in these),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {each[1]: {"value": _problem(each)} for each in these},
                }
            },
        }
        if status in (429, 503):
            found[status]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}
            }
        if status == 401:
            found[status]["headers"] = {
                "WWW-Authenticate": {"description": "`Signature`", "schema": {"type": "string"}}
            }
    return found


def _problem(told: Told) -> Any:
    status, code, meaning, retryable = told
    problem = Problem(
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=meaning,
        code=code,
        retryable=retryable,
    )
    return problem.model_dump()


def short_id(route: APIRoute) -> str:
    """An operation's id: the name of its function."""
    return route.name


def document_problems(app: FastAPI, description: str, tags: list[dict[str, str]]) -> None:
    """Have the application's OpenAPI document hold the schemas of errors, and tell what it is."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=description,
                routes=app.routes,
                tags=tags,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    app.state.allowed_methods = lambda path: allowed_methods(app, path)


def allowed_methods(app: FastAPI, path: str) -> str:
    """All that a path takes, for the header Allow: the framework names one route's alone."""
    found = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        for method in operations
        if compile_path(template)[0].match(path)
    }
    return ", ".join(sorted(found))
