"""Pages of a list (RFC 8288)."""

from typing import Annotated

from fastapi import Query, Request

from backend.cursor import PATTERN

Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the page before.",
        json_schema_extra={"pattern": f"^{PATTERN}$"},
    ),
]
Limit = Annotated[int, Query(ge=1, le=100, description="How many are on a page.")]


def next_page(request: Request, cursor: str | None) -> dict[str, str]:
    """The header `Link` to the page after this one, where there is one."""
    if cursor is None:
        return {}
    url = request.url.include_query_params(cursor=cursor)
    return {"Link": f'<{url.path}?{url.query}>; rel="next"'}
