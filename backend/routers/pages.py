"""Pages of a list (RFC 8288)."""

from fastapi import Request


def next_page(request: Request, cursor: str | None) -> dict[str, str]:
    """The header `Link` to the page after this one, where there is one."""
    if cursor is None:
        return {}
    url = request.url.include_query_params(cursor=cursor)
    return {"Link": f'<{url.path}?{url.query}>; rel="next"'}
