"""uvicorn, set up for the fake."""

import importlib
import importlib.util
import socket
import warnings
from typing import Any

import uvicorn
from starlette.applications import Starlette

PROTOCOLS = "uvicorn.protocols.websockets"


def server_config(app: Starlette, **settings: Any) -> uvicorn.Config:
    """Like ComfyUI, it sends no pings; and it does not wait long for open sockets to end."""
    return uvicorn.Config(
        app,
        ws=_websocket_protocol(),
        ws_ping_interval=None,
        timeout_graceful_shutdown=1,
        **settings,
    )


def listener(host: str, port: int) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one.

    asyncio switches Nagle's delay off only for sockets that name their protocol, which
    `socket.create_server` leaves out: every answer would then take 40 ms.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def _websocket_protocol() -> Any:
    """Older uvicorns build on a deprecated part of websockets: not for our tests to fail on."""
    if importlib.util.find_spec(f"{PROTOCOLS}.websockets_sansio_impl"):
        return "websockets-sansio"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        protocol: Any = importlib.import_module(f"{PROTOCOLS}.websockets_impl").WebSocketProtocol

    class Quiet(protocol):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                super().__init__(*args, **kwargs)

    return Quiet
