"""A route that checks and keeps nothing, to compare with."""

import uuid

from fastapi import FastAPI

from backend.schemas.request_generate import GenerateRequest
from backend.schemas.response_generate import GenerateResponse

app = FastAPI()


@app.post("/generate")
async def generate(request: GenerateRequest) -> GenerateResponse:
    """The same request, parsed; the same body, answered."""
    return GenerateResponse(task_id=str(uuid.uuid4()), status="queued")


@app.get("/health")
async def health() -> dict[str, str]:
    """For who waits until it has started."""
    return {"status": "healthy"}
