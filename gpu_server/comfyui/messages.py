"""ComfyUI's websocket frames, read."""

import json
import struct
from dataclasses import dataclass
from typing import Any

PREVIEW = 1
PREVIEW_WITH_METADATA = 4
IMAGE_TYPES = {1: "image/jpeg", 2: "image/png"}
HEAD = struct.Struct(">II")


@dataclass(frozen=True)
class Message:
    """One text frame: `executing`, `progress`, …"""

    kind: str
    data: dict[str, Any]

    @property
    def prompt_id(self) -> str | None:
        """The job that it is about, if it is about one."""
        return self.data.get("prompt_id")


@dataclass(frozen=True)
class ImageFrame:
    """One binary frame: a preview, or the image of a node that saves through the socket.

    Older ComfyUIs say neither job nor node: it belongs to what executes at that moment.
    """

    image: bytes
    content_type: str
    prompt_id: str | None = None
    node_id: str | None = None


def read_message(text: str) -> Message | None:
    """A text frame, or None where it is not of ComfyUI's form."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
        return None
    return Message(str(document.get("type")), document["data"])


def read_frame(frame: bytes) -> ImageFrame | None:
    """A binary frame with an image, or None where it carries something else."""
    if len(frame) < HEAD.size:
        return None
    kind, second = HEAD.unpack_from(frame)
    body = frame[HEAD.size :]
    if kind == PREVIEW:
        return ImageFrame(body, IMAGE_TYPES.get(second, "image/jpeg"))
    if kind == PREVIEW_WITH_METADATA and second <= len(body):
        return _with_metadata(body[:second], body[second:])
    return None


def _with_metadata(head: bytes, image: bytes) -> ImageFrame | None:
    try:
        metadata = json.loads(head)
    except ValueError:
        return None
    if not isinstance(metadata, dict):
        return None
    return ImageFrame(
        image,
        str(metadata.get("image_type", "image/jpeg")),
        metadata.get("prompt_id"),
        metadata.get("node_id"),
    )
