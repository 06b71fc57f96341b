"""Who calls: `Authorization: Bearer …` or `X-API-Key`, and the scope that a route asks for."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header

from backend.access import Caller, Scope
from backend.state import State


def _key_of(authorization: str | None, x_api_key: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else x_api_key


def _having(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def caller(
        state: State,
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        x_api_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Caller:
        return await state.access.caller(_key_of(authorization, x_api_key))

    return caller


Submitter = Annotated[Caller, Depends(_having(Scope.SUBMIT))]
Reader = Annotated[Caller, Depends(_having(Scope.READ))]
Admin = Annotated[Caller, Depends(_having(Scope.ADMIN))]
