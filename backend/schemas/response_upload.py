"""What `POST /uploads` answers."""

from pydantic import BaseModel, Field


class UploadResponse(BaseModel):
    """The same image is the same upload."""

    upload: str = Field(
        description="To be sent wherever an image is taken, instead of its base64.",
        examples=["upload:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"],
    )
