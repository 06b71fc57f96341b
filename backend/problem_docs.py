"""What the OpenAPI document says of errors: which can come, by status, each with an example."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from backend import errors, openai_errors
from backend.errors import BackendError
from backend.problems import CODES, MEDIA_TYPE, Problem
from backend.schemas.openai_images import OpenAIErrorResponse

Responses = dict[int | str, dict[str, Any]]
Told = tuple[int, str, str, bool]
"""Status, code, what it means, whether it may be tried again."""

GUARDED = (
    errors.ApiKeyMissing,
    errors.ApiKeyInvalid,
    errors.ScopeMissing,
    errors.RateLimited,
    errors.KeysUnusable,
    errors.StorageUnavailable,
)
"""Of every route that asks who calls."""
SUBMITTING = (
    errors.InvalidInput,
    errors.UnknownMode,
    errors.UnknownStyle,
    errors.UrlRefused,
    errors.WebhooksNotConfigured,
    errors.KeyReused,
    errors.CatalogueIncomplete,
    errors.ConcurrentLimit,
    errors.DailyLimit,
    errors.QueueFull,
    errors.StorageFull,
)
"""Of what keeps a new task."""
BODY = (408, 413, 503)
"""Of every route that takes a body; the framework's own."""
WHERE_ASKED = "Only where the server asks for keys."
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": WHERE_ASKED},
    "api_key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": WHERE_ASKED,
    },
}
MEANINGS = {
    "validation_error": "The request does not match the schema; `detail` lists where.",
    "internal_error": "A bug of ours; the log has the trace.",
    "request_timeout": "The body stopped half-way, or is too slow.",
    "body_too_large": "The body is larger than MAX_BODY_MB.",
    "too_busy": "Too many large requests at once.",
}


def problems(*kinds: type[BackendError], body: bool = False) -> Responses:
    """The errors of a route, as problem documents."""
    return _responses(_told(kinds, body=body), MEDIA_TYPE, "Problem", _problem)


def openai_problems(*kinds: type[BackendError], body: bool = False) -> Responses:
    """The same in OpenAI's envelope."""
    told = [(openai_errors.status_of(status), *rest) for status, *rest in _told(kinds, body=body)]
    return _responses(told, "application/json", "OpenAIErrorResponse", _envelope)  # type: ignore[arg-type]


def _told(kinds: Iterable[type[BackendError]], *, body: bool) -> list[Told]:
    told: list[Told] = [(422, "validation_error", MEANINGS["validation_error"], False)]
    told.append((500, "internal_error", MEANINGS["internal_error"], False))
    for kind in dict.fromkeys(kinds):
        meaning = (kind.__doc__ or "").partition("\n")[0]
        told.append((kind.status, kind.code, meaning, kind.retryable))
    if body:
        told += [(status, CODES[status], MEANINGS[CODES[status]], False) for status in BODY]
    return told


def _responses(
    told: list[Told], media_type: str, schema: str, example: Callable[[Told], Any]
) -> Responses:
    found: Responses = {}
    for status in sorted({each[0] for each in told}):
        these = [each for each in told if each[0] == status]
        found[status] = {
            "description": "\n\n".join(f"`{code}`: {meaning}" for _, code, meaning, _ in these),
            "content": {
                media_type: {
                    "schema": {"$ref": f"#/components/schemas/{schema}"},
                    "examples": {each[1]: {"value": example(each)} for each in these},
                }
            },
        }
        if status in (429, 503, 507):
            found[status]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}
            }
        if status == 401:
            found[status]["headers"] = {
                "WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}
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


def _envelope(told: Told) -> Any:
    status, code, meaning, _ = told
    return openai_errors.envelope(status, code, meaning, {})


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
            for model in (Problem, OpenAIErrorResponse):
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
            for operations in document["paths"].values():
                for path_operation in operations.values():
                    # OpenAI's clients know no 422, which the framework puts everywhere.
                    if "HTTPValidationError" in str(path_operation["responses"].get("422")):
                        del path_operation["responses"]["422"]
                    if "401" in path_operation["responses"]:
                        path_operation["security"] = [{name: []} for name in SCHEMES]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            document["components"]["securitySchemes"] = SCHEMES
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
