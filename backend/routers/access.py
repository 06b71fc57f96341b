"""Who calls: `Authorization: Bearer …` or `X-API-Key`, and the scope that a route asks for."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from backend.access import Caller, Scope
from backend.errors import ApiKeyMissing, Unauthenticated
from backend.rate_limit_headers import note
from backend.schemas.response_key import AccessResponse
from backend.services.access import check_scope
from backend.state import BackendState

PLACE = "gateway.caller"
"""In the scope of a request, once it is known whose it is."""


def _key_of(headers: Headers) -> str | None:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("X-API-Key")


def _address_of(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


async def caller_with(scope: Scope, connection: HTTPConnection) -> Caller:
    """Whose request it is, counted once. Raises Unauthenticated, RateLimited, ScopeMissing."""
    caller: Caller | None = connection.scope.get(PLACE)
    if caller is None:
        caller = connection.scope[PLACE] = await _counted(connection)
    check_scope(caller, scope)
    return caller


async def _counted(connection: HTTPConnection) -> Caller:
    state: BackendState = connection.app.state.backend
    address = _address_of(connection)
    try:
        caller = await state.access.caller(_key_of(connection.headers))
    except Unauthenticated:
        note(connection.scope, await state.rate_limits.refused(address))
        raise
    note(connection.scope, await state.rate_limits.take(caller, address))
    return caller


def _having(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    # One dependency, though FastAPI has some for each header: it is asked at every request.
    async def caller(connection: HTTPConnection) -> Caller:
        return await caller_with(scope, connection)

    return caller


async def _standing(connection: HTTPConnection) -> AccessResponse:
    state: BackendState = connection.app.state.backend
    address = _address_of(connection)
    try:
        caller = await state.access.caller(_key_of(connection.headers))
    except Unauthenticated as exc:
        # Not a back door for whoever guesses: wrong keys count here as they do everywhere.
        if not isinstance(exc, ApiKeyMissing):
            note(connection.scope, await state.rate_limits.refused(address))
        return AccessResponse(keys="on", granted=False, detail=exc.message)
    note(connection.scope, await state.rate_limits.take(caller, address))
    keys: Literal["on", "off"] = "off" if caller.key_id is None else "on"
    return AccessResponse(keys=keys, granted=True, name=caller.name, scopes=sorted(caller.scopes))


Standing = Annotated[AccessResponse, Depends(_standing)]
Submitter = Annotated[Caller, Depends(_having(Scope.SUBMIT))]
Reader = Annotated[Caller, Depends(_having(Scope.READ))]
Monitor = Annotated[Caller, Depends(_having(Scope.METRICS))]
Admin = Annotated[Caller, Depends(_having(Scope.ADMIN))]
