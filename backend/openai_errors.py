"""Errors as OpenAI's clients read them: the same codes, in OpenAI's envelope."""

from collections.abc import Mapping
from typing import Any

from backend.schemas.openai_images import OpenAIError, OpenAIErrorResponse

PREFIX = "/v1/"
"""Of the paths whose errors are told so."""
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""All other errors of the client's are invalid_request_error, of ours server_error."""


def status_of(status: int) -> int:
    """OpenAI has no 422."""
    return 400 if status == 422 else status


def envelope(status: int, code: str, detail: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an error."""
    message, param = str(detail), extra.get("parameter")
    if isinstance(detail, list):
        places = [".".join(map(str, each["loc"][1:])) for each in detail]
        told = [f"{place}: {each['msg']}" for place, each in zip(places, detail, strict=True)]
        message, param = "; ".join(told), places[0] or None
    usual = "server_error" if status >= 500 else "invalid_request_error"
    error = OpenAIError(message=message, type=TYPES.get(status, usual), param=param, code=code)
    return OpenAIErrorResponse(error=error).model_dump()
