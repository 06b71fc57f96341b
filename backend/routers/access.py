"""Who calls: `Authorization: Bearer …` or `X-API-Key`, and the scope that a route asks for."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from backend.access import Caller, Scope
from backend.errors import Unauthenticated
from backend.rate_limit_headers import note
from backend.services.access import check_scope
from backend.state import BackendState

WORDS = "Only where the server asks for keys."


class _Bearer(SecurityBase):
    """For WebSockets, too, which FastAPI's own is not."""

    scheme_name = "bearer"
    model = HTTPBearer(description=WORDS)

    async def __call__(self, connection: HTTPConnection) -> str | None:
        """The token of the header `Authorization`."""
        scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


class _Header(SecurityBase):
    """The same as a header of its own."""

    scheme_name = "api_key"
    model = APIKey(**{"in": APIKeyIn.header, "name": "X-API-Key", "description": WORDS})

    async def __call__(self, connection: HTTPConnection) -> str | None:
        """The header's value."""
        return connection.headers.get("X-API-Key")


Bearer = Annotated[str | None, Depends(_Bearer())]
KeyHeader = Annotated[str | None, Depends(_Header())]


def _having(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def caller(connection: HTTPConnection, bearer: Bearer, header: KeyHeader) -> Caller:
        state: BackendState = connection.app.state.backend
        address = connection.client.host if connection.client else ""
        try:
            caller = await state.access.caller(bearer or header)
        except Unauthenticated:
            note(connection.scope, await state.rate_limits.refused(address))
            raise
        note(connection.scope, await state.rate_limits.take(caller, address))
        check_scope(caller, scope)
        return caller

    return caller


Submitter = Annotated[Caller, Depends(_having(Scope.SUBMIT))]
Reader = Annotated[Caller, Depends(_having(Scope.READ))]
Admin = Annotated[Caller, Depends(_having(Scope.ADMIN))]
