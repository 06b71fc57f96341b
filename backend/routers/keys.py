"""`GET /access`, and routes under `/keys`."""

from typing import Annotated

from fastapi import APIRouter, Path

from backend.errors import KeyNotFound, KeysUnusable, RateLimited, StorageUnavailable
from backend.problem_docs import GUARDED, problems
from backend.routers.access import Admin, Standing
from backend.schemas.response_key import AccessResponse, KeyResponse, KeysResponse
from backend.state import State

router = APIRouter()

KeyId = Annotated[str, Path(description="As `GET /keys` lists it.", examples=["key_1a2b3c4d5e6f"])]


@router.get(
    "/access", tags=["access"], responses=problems(RateLimited, KeysUnusable, StorageUnavailable)
)
async def access(standing: Standing) -> AccessResponse:
    """Whether keys are on, and what the caller may do; asks for none itself."""
    return standing


@router.get("/keys", tags=["keys"], responses=problems(*GUARDED))
async def keys(state: State, _: Admin) -> KeysResponse:
    """All keys and their limits, without the keys themselves; scope `admin`."""
    return await state.key_admin.all()


@router.delete("/keys/{key_id}", tags=["keys"], responses=problems(KeyNotFound, *GUARDED))
async def revoke(key_id: KeyId, state: State, caller: Admin) -> KeyResponse:
    """Let nobody in with a key from now on; scope `admin`."""
    return await state.key_admin.revoke(key_id, caller)
