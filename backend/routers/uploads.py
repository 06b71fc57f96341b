"""`POST /uploads`."""

from fastapi import APIRouter, Request

from backend.errors import InvalidInput, StorageFull
from backend.problem_docs import GUARDED, problems
from backend.routers.access import Submitter
from backend.schemas.response_upload import UploadResponse
from backend.state import State

router = APIRouter(tags=["uploads"])

ERRORS = problems(InvalidInput, StorageFull, *GUARDED, body=True)
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/png", "image/jpeg", "image/webp")
        },
    }
}


@router.post("/uploads", status_code=201, openapi_extra=BODY, responses=ERRORS)
async def upload(request: Request, state: State, _: Submitter) -> UploadResponse:
    """Send an image once, as the body itself; requests then refer to it by what is answered."""
    return UploadResponse(upload=await state.uploads.take(await request.body()))
