"""Routes that take signed requests only, where there is a GPU_SERVICE_SECRET."""

from fastapi import Depends, Request

from gpu_server.state import State


async def _is_signed(request: Request, state: State) -> None:
    if not state.signatures.is_on:
        return
    query = request.scope["query_string"]
    target = request.scope["raw_path"].decode("latin-1")
    await state.signatures.check(
        request.method,
        f"{target}?{query.decode('latin-1')}" if query else target,
        await request.body(),
        request.headers.get("X-Gateway-Timestamp"),
        request.headers.get("X-Gateway-Signature"),
    )


SIGNED = Depends(_is_signed)
