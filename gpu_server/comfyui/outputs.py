"""What a job made: files that its history entry names, texts, and images from the socket."""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.hearing import SocketImage
from gpu_server.comfyui.metadata import BrokenImage, check_whole, image_type
from gpu_server.comfyui.run import RunResult
from gpu_server.errors import ComfyUIError, ComfyUIOutputBroken

TEXT_KEYS = frozenset({"text", "string"})
UNKNOWN_TYPE = "application/octet-stream"
TRIES = 2
"""How often a broken file is fetched: it may have been broken on the way."""


@dataclass(frozen=True)
class JobOutput:
    """One file. `node_id` is the node that made it."""

    node_id: str
    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class _Named:
    """A file in ComfyUI's folders, as the history names it."""

    node_id: str
    file: Mapping[str, str]

    @property
    def is_temporary(self) -> bool:
        return self.file.get("type") == "temp"


async def fetch_outputs(
    api: ComfyUIAPI, result: RunResult, *, only: tuple[str, ...] | None
) -> list[JobOutput]:
    """All that the job made, images first, each in the order of nodes and batches.

    Temporary previews count only where there is nothing else. `only` names the output nodes that
    matter. Raises ComfyUIUnavailable, ComfyUIError, ComfyUIOutputBroken.
    """
    entry = {
        node: shown
        for node, shown in (result.entry.get("outputs") or {}).items()
        if isinstance(shown, dict) and (only is None or node in only)
    }
    named = list(_files(entry))
    kept = [each for each in named if not each.is_temporary]
    outputs = [_from_socket(number, image) for number, image in enumerate(result.socket_images, 1)]
    texts = list(_texts(entry))
    if not kept and not outputs and not texts:
        kept = named
    outputs += [await _fetch(api, each) for each in kept]
    outputs.sort(key=lambda output: not output.content_type.startswith("image/"))
    return outputs + texts


def _files(entry: Mapping[str, Mapping[str, Any]]) -> Iterator[_Named]:
    """Any list of objects with a `filename`, whatever its key: images, gifs, video, audio, 3d."""
    for node_id, shown in entry.items():
        for items in shown.values():
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict) and item.get("filename"):
                    yield _Named(node_id, item)


def _texts(entry: Mapping[str, Mapping[str, Any]]) -> Iterator[JobOutput]:
    for node_id, shown in entry.items():
        texts = [
            text
            for key in TEXT_KEYS & shown.keys()
            for text in (shown[key] if isinstance(shown[key], list) else [shown[key]])
            if isinstance(text, str)
        ]
        for number, text in enumerate(texts, 1):
            name = f"{node_id}_{number}.txt"
            yield JobOutput(node_id, name, "text/plain; charset=utf-8", text.encode())


def _from_socket(number: int, image: SocketImage) -> JobOutput:
    ending = mimetypes.guess_extension(image.content_type) or ".png"
    return JobOutput(image.node_id, f"socket_{number}{ending}", image.content_type, image.image)


async def _fetch(api: ComfyUIAPI, named: _Named) -> JobOutput:
    for _ in range(TRIES):
        data = await _view(api, named)
        try:
            check_whole(data)
        except BrokenImage as exc:
            broken = exc
            continue
        name = str(named.file["filename"])
        kind = image_type(data) or mimetypes.guess_type(name)[0] or UNKNOWN_TYPE
        return JobOutput(named.node_id, name, kind, data)
    raise ComfyUIOutputBroken(
        f"ComfyUI's file {named.file['filename']} is broken: {broken}. Submit the job again."
    )


async def _view(api: ComfyUIAPI, named: _Named) -> bytes:
    try:
        return await api.view(named.file)
    except ComfyUIError as exc:
        # Also where it has gone away: the job has run, so an attempt has been spent.
        raise ComfyUIOutputBroken(
            f"ComfyUI made {named.file['filename']} and does not hand it out: {exc.message}"
        ) from exc
