"""What `POST /generate` answers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class GenerateResponse(BaseModel):
    """The specification's four fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_id": "550e8400-e29b-41d4-a716-446655440000",
                    "status": "queued",
                    "image": None,
                    "error": None,
                }
            ]
        }
    )

    task_id: str
    status: Literal["queued", "done", "failed"]
    image: str | None = None
    error: str | None = None
