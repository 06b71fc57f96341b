"""ComfyUI's websocket frames, read."""

import json
import struct

import pytest

from gpu_server.comfyui.messages import ImageFrame, Message, read_frame, read_message


def with_metadata(metadata: object, image: bytes) -> bytes:
    head = json.dumps(metadata).encode()
    return struct.pack(">II", 4, len(head)) + head + image


def test_text_frame_is_a_message_of_its_job() -> None:
    message = read_message('{"type": "executing", "data": {"node": "3", "prompt_id": "a"}}')
    assert message == Message("executing", {"node": "3", "prompt_id": "a"})
    assert message.prompt_id == "a"


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"type": "x"}', '{"data": []}'])
def test_other_text_is_none(text: str) -> None:
    assert read_message(text) is None


@pytest.mark.parametrize(("number", "kind"), [(1, "image/jpeg"), (2, "image/png")])
def test_preview_has_its_type(number: int, kind: str) -> None:
    assert read_frame(struct.pack(">II", 1, number) + b"x") == ImageFrame(b"x", kind)


def test_preview_with_metadata_says_whose_it_is() -> None:
    metadata = {"image_type": "image/png", "prompt_id": "a", "node_id": "3"}
    assert read_frame(with_metadata(metadata, b"x")) == ImageFrame(b"x", "image/png", "a", "3")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0\0\1",
        struct.pack(">II", 3, 1) + b"text",
        struct.pack(">II", 4, 100) + b"{}",
        struct.pack(">II", 4, 2) + b"[[x",
        with_metadata([], b"x"),
        with_metadata(None, b"x"),
    ],
    ids=repr,
)
def test_other_frame_is_none(frame: bytes) -> None:
    assert read_frame(frame) is None
