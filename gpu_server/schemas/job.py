"""What the routes under `/jobs` take and answer."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gpu_server.comfyui.conversion import ImageFormat, OutputOptions
from gpu_server.schemas.generate_request import GenerateRequest


class JobRequestBody(GenerateRequest):
    """A generation under an id of the caller's."""

    keep_metadata: bool = Field(
        False,
        strict=True,
        description="Leave ComfyUI's embedded prompt and workflow in the images.",
    )
    output_format: ImageFormat | None = Field(
        None, description="What images are made to be; else they are as the workflow makes them."
    )
    output_quality: int | None = Field(
        None, ge=1, le=100, description="Of JPEG and WebP images; 90 where they are made to be so."
    )
    resume: bool = Field(
        False,
        strict=True,
        description="This id may have been started before: look in ComfyUI before running it.",
    )

    def options(self) -> OutputOptions:
        """How its images are wanted."""
        return OutputOptions(self.output_format, self.output_quality, self.keep_metadata)


class JobOutputResponse(BaseModel):
    """One file that a job made. `size` is in bytes."""

    number: int
    node_id: str
    filename: str
    content_type: str
    size: int
    url: str


class JobResponse(BaseModel):
    """A job as it stands."""

    model_config = ConfigDict(use_enum_values=True)

    id: str
    workflow: str
    state: str = Field(description="queued, running, done, failed or cancelled.")
    progress: float = Field(description="From 0 to 1; never goes back.")
    values: dict[str, Any] = Field(
        description="What it runs with, seeds that we drew included, and images by name."
    )
    outputs: list[JobOutputResponse]
    error: dict[str, Any] | None = Field(description="A problem document, where it has failed.")
