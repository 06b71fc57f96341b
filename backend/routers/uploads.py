"""`POST /uploads`."""

from fastapi import APIRouter, Request

from backend.problems import PROBLEMS
from backend.routers.access import Submitter
from backend.schemas.response_upload import UploadResponse
from backend.state import State

router = APIRouter(tags=["uploads"], responses=PROBLEMS)

BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp")},
    }
}


@router.post("/uploads", status_code=201, openapi_extra=BODY)
async def upload(request: Request, state: State, _: Submitter) -> UploadResponse:
    """Send an image once, as the body itself; requests then refer to it by what is answered."""
    return UploadResponse(upload=await state.uploads.take(await request.body()))
