"""OpenAI's Images API, as its clients send it and read it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.schemas.request_generate import Text, sendable
from backend.tasks import ImageFormat

SIZE = r"^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$"
Quality = Literal["low", "medium", "high", "auto"]
USUAL = frozenset({"n", "response_format", "stream", "partial_images"})
"""Fields that have a usual value other than None."""


class ImageRequest(BaseModel):
    """What generations and edits have in common. Further fields are parameters of the mode."""

    model_config = ConfigDict(extra="allow")

    prompt: Text
    model: Text | None = Field(None, description="A mode.")
    n: int = Field(1, ge=1, le=10, description="Images, each a task of its own.")
    size: str | None = Field(None, pattern=SIZE, description="WIDTHxHEIGHT, or auto.")
    output_format: ImageFormat | None = None
    output_compression: int | None = Field(
        None, ge=0, le=100, description="The quality of JPEG and WebP, 100 for the best."
    )
    response_format: Literal["b64_json", "url"] = "b64_json"
    stream: bool = False
    partial_images: int = Field(0, ge=0, le=3, description="Pictures of what is being made.")
    background: Literal["auto", "opaque", "transparent"] | None = None
    quality: Text | None = Field(None, description="Taken, and without effect.")
    style: Text | None = Field(None, description="A style; `vivid` and `natural` have no effect.")
    moderation: Text | None = Field(None, description="Taken, and without effect.")
    input_fidelity: Text | None = Field(None, description="Taken, and without effect.")
    user: Text | None = Field(None, description="Taken, and without effect.")
    safety_identifier: Text | None = Field(None, description="Taken, and without effect.")
    extra_params: dict[str, Any] | None = Field(
        None,
        description="Parameters of the mode whose names are fields here, such as `model`. "
        "All others may be sent as they are.",
    )

    @model_validator(mode="before")
    @classmethod
    def _none_is_left_out(cls, sent: Any) -> Any:
        """OpenAI's own clients may send null for whatever is optional."""
        if not isinstance(sent, dict):
            return sent
        return {
            name: value for name, value in sent.items() if not (value is None and name in USUAL)
        }

    @model_validator(mode="after")
    def _can_be_sent(self) -> "ImageRequest":
        sendable(self.extra_params)
        sendable(self.model_extra)
        return self


class ImageGenerationRequest(ImageRequest):
    """What `POST /v1/images/generations` takes."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"model": "free", "prompt": "a lighthouse at dawn", "size": "1024x1024"}]
        },
    )


class ImageData(BaseModel):
    """One image: in base64, or where it is."""

    b64_json: str | None = None
    url: str | None = None


class TokenDetails(BaseModel):
    """There are no tokens."""

    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """There are no tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: TokenDetails = TokenDetails()


class ImagesResponse(BaseModel):
    """All images of a request."""

    created: int
    data: list[ImageData]
    output_format: str
    size: str
    background: Literal["opaque"] = "opaque"
    quality: Quality = "high"
    usage: Usage = Usage()


class ImageEvent(BaseModel):
    """What a stream tells; `type` says of what, and which image it is."""

    type: str
    b64_json: str
    created_at: int
    output_format: str
    size: str
    background: Literal["opaque"] = "opaque"
    quality: Quality = "high"
    partial_image_index: int | None = None
    usage: Usage | None = None


class Model(BaseModel):
    """A mode, as OpenAI shows its models."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "comfyui-gateway"


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


class OpenAIError(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIErrorResponse(BaseModel):
    """OpenAI's envelope around it."""

    error: OpenAIError
