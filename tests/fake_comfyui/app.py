"""The ASGI application around one fake server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, WebSocketRoute
from starlette.websockets import WebSocket

from tests.fake_comfyui.answers import trouble, unknown_path, wrong_method
from tests.fake_comfyui.control_routes import CONTROL_ROUTES
from tests.fake_comfyui.file_routes import FILE_ROUTES
from tests.fake_comfyui.guard import OriginGuard, RequestLog
from tests.fake_comfyui.info_routes import INFO_ROUTES
from tests.fake_comfyui.options import FakeOptions, Version
from tests.fake_comfyui.prompt_routes import JOB_ROUTES, PROMPT_ROUTES
from tests.fake_comfyui.state import FakeComfyUI


def create_app(options: FakeOptions | None = None) -> Starlette:
    """The app; its `state.fake` is the FakeComfyUI, at work while the lifespan runs."""
    return create_app_for(FakeComfyUI(options))


def create_app_for(fake: FakeComfyUI) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with fake:
            yield

    app = Starlette(
        routes=_routes(fake.version),
        middleware=[Middleware(OriginGuard), Middleware(RequestLog, fake=fake)],
        exception_handlers={
            404: unknown_path,
            405: wrong_method,
            # What a malformed body makes the endpoints raise: aiohttp answers 500.
            ValueError: trouble,
            TypeError: trouble,
            KeyError: trouble,
            AttributeError: trouble,
        },
        lifespan=lifespan,
    )
    app.state.fake = fake
    app.router.redirect_slashes = False
    return app


async def websocket(websocket: WebSocket) -> None:
    fake: FakeComfyUI = websocket.app.state.fake
    await fake.hub.serve(websocket)


def _routes(version: Version) -> list[BaseRoute]:
    """Every route twice, plain and under /api; the jobs API on the newer version alone."""
    both: list[BaseRoute] = [
        *PROMPT_ROUTES,
        *INFO_ROUTES,
        *FILE_ROUTES,
        WebSocketRoute("/ws", websocket),
    ]
    jobs = JOB_ROUTES if version is Version.NEW else []
    return [*jobs, *both, *CONTROL_ROUTES, Mount("/api", routes=both)]
