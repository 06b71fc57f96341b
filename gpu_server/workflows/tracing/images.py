"""Files that a graph starts from: images and masks that a client can send, videos, sounds."""

import re
from collections.abc import Iterator

from gpu_server.workflows.domain import ADDRESS, is_image_input
from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.vocabulary import IMAGE_LINK
from gpu_server.workflows.tracing.wiring import Link, Wiring

MEDIA = {
    "video": re.compile(r"\.(mp4|webm|mov|mkv|avi|gif)$", re.I),
    "audio": re.compile(r"\.(wav|mp3|flac|ogg|m4a|opus)$", re.I),
}
MEDIA_LOADER = re.compile(r"load", re.I)
MEDIA_INPUT = re.compile(r"([a-z]+_)*(video|audio|file|path|url)(_file|_path)?", re.I)


def images(wiring: Wiring) -> Iterator[tuple[Target, bool]]:
    """Each input that names an image, in the order of the flow, and whether it is a mask."""
    for node in wiring.flow:
        for name in wiring.literals(node):
            target = Target(node, name)
            if _names_image(wiring, target):
                yield target, is_mask(wiring, node)


def media(wiring: Wiring) -> Iterator[tuple[Target, str]]:
    """Each input that names a video or a sound among ComfyUI's inputs, and which of the two."""
    for node in wiring.flow:
        if wiring.links(node) and not MEDIA_LOADER.search(wiring.class_type(node)):
            continue
        for name, value in wiring.literals(node).items():
            kind = next((kind for kind, ends in MEDIA.items() if ends.search(str(value))), None)
            if kind and MEDIA_INPUT.fullmatch(name):
                yield Target(node, name), kind


def _names_image(wiring: Wiring, target: Target) -> bool:
    """A file or an address: what a picture goes into loads none."""
    if any(IMAGE_LINK.fullmatch(link.input) for link in wiring.links(target.node)):
        return False
    if is_image_input(wiring.graph, target, wiring.object_info):
        return True
    value = str(wiring.inputs(target.node)[target.input])
    fed = [link.input for link in wiring.consumers(target.node)]
    return bool(ADDRESS.match(value)) and any(map(IMAGE_LINK.fullmatch, fed))


def is_mask(wiring: Wiring, node: str) -> bool:
    """Whether only its mask is used: the alpha of a plain image belongs to the image."""
    if "mask" in wiring.class_type(node).casefold() or "mask" in wiring.literals(node):
        return True
    consumers = wiring.consumers(node)
    return bool(consumers) and all(_is_mask_link(wiring, link) for link in consumers)


def _is_mask_link(wiring: Wiring, link: Link) -> bool:
    kind = wiring.output_type(link)
    if kind is not None:
        return kind == "MASK"
    return link.index == 1 and not IMAGE_LINK.fullmatch(link.input)
