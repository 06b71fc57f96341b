"""`POST /uploads`."""

from fastapi import APIRouter, Request

from backend.errors import InvalidInput, StorageFull
from backend.problem_docs import GUARDED, problems
from backend.routers.access import Submitter
from backend.schemas.response_upload import UploadResponse
from backend.state import State

router = APIRouter(tags=["uploads"])

ERRORS = problems(InvalidInput, StorageFull, *GUARDED, body=True)
FILE = {
    "type": "string",
    "format": "binary",
    "description": "A PNG, JPEG or WebP image; its Content-Type does not matter.",
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": FILE}},
    }
}


@router.post("/uploads", status_code=201, openapi_extra=BODY, responses=ERRORS)
async def upload(request: Request, state: State, _: Submitter) -> UploadResponse:
    """Send an image once, as the body itself; requests then refer to it by what is answered."""
    return UploadResponse(upload=await state.uploads.take(await request.body()))
