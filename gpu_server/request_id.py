"""Each request has an id, which goes wherever it leads to, and comes back with the answer."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpu_server.correlation import REQUEST_ID, begin, told_in

ANSWERS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class RequestId:
    """Pure ASGI: takes X-Request-ID and traceparent where they are sane, and answers the former."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing is taken back: the server logs the request, and its bugs, after us."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        told = told_in(Headers(scope=scope))
        begin(told)

        async def with_id(message: Message) -> None:
            if message["type"] in ANSWERS and told.request_id is not None:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[REQUEST_ID] = told.request_id
            await send(message)

        await self._app(scope, receive, with_id)
