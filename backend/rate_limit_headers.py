"""The headers `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.services.rate_limits import Standing

PLACE = "gateway.rate_limit"
"""In the scope of a request: a list of one, which whoever counts the request fills in."""


class RateLimitHeaders:
    """Pure ASGI: every answer to a request that was counted tells how its sender stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Errors that the application answers with have them, too."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found: list[Standing] = []
        scope[PLACE] = found

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and found:
                headers = MutableHeaders(raw=message["headers"])
                headers["RateLimit-Policy"] = f'"default";q={found[0].quota};w={found[0].window}'
                headers["RateLimit"] = f'"default";r={found[0].remaining};t={found[0].reset}'
            await send(message)

        await self._app(scope, receive, with_headers)


def note(scope: Scope, standing: Standing | None) -> None:
    """Have the answer tell it. Raises RateLimited where the request was one too many."""
    if standing is not None:
        scope.get(PLACE, []).append(standing)
        standing.check()
