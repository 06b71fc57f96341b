"""Where the size of what is made comes from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.holders import holder
from gpu_server.workflows.tracing.samplers import is_sampler
from gpu_server.workflows.tracing.switches import chosen
from gpu_server.workflows.tracing.vocabulary import IMAGE_LINK, LATENT_LINK, SIZE_FIELDS
from gpu_server.workflows.tracing.wiring import Link, Wiring, walk

WIDTH, HEIGHT = SIZE_FIELDS["width"], SIZE_FIELDS["height"]
MAKES_ANEW = re.compile(r"positive|batch_size|(num_|video_)?frames|length", re.I)


@dataclass(frozen=True)
class Sized:
    """One value of a size; `resizes` where it is what an image or a latent is brought to."""

    field: str
    target: Target
    asked: Target
    resizes: bool


def sizes(wiring: Wiring, sampler: str) -> Iterator[Sized]:
    """The values that set the size of the sampler's latent, nearest to the sampler first."""
    if _has_size(wiring, sampler):
        yield from _of(wiring, sampler)
        return
    for link in walk(_links(wiring, sampler), lambda link: _next(wiring, link)):
        if not is_sampler(wiring, link.source):
            yield from _of(wiring, link.source)


def _has_size(wiring: Wiring, node: str) -> bool:
    names = wiring.inputs(node)
    return any(map(WIDTH.fullmatch, names)) and any(map(HEIGHT.fullmatch, names))


def _next(wiring: Wiring, link: Link) -> list[Link]:
    node = link.source
    if is_sampler(wiring, node):
        return []
    if not _has_size(wiring, node) or _resizes(wiring, node):
        return _links(wiring, node)
    # A size that is measured on an image comes from where that image does.
    width = wiring.link(node, next(filter(WIDTH.fullmatch, wiring.inputs(node))))
    measured = width and not holder(wiring, node, width.input, WIDTH)
    return [width] if width and measured else []


def _links(wiring: Wiring, node: str) -> list[Link]:
    links = chosen(wiring, node)
    return [link for link in links if LATENT_LINK.fullmatch(link.input)] or (
        links if len(links) == 1 else []
    )


def _of(wiring: Wiring, node: str) -> Iterator[Sized]:
    resizes = _resizes(wiring, node)
    fields = ("width", "height") if resizes else tuple(SIZE_FIELDS)
    for name in wiring.inputs(node):
        for field in fields:
            wording = SIZE_FIELDS[field]
            if wording.fullmatch(name) and (target := holder(wiring, node, name, wording)):
                yield Sized(field, target, Target(node, name), resizes)


def _resizes(wiring: Wiring, node: str) -> bool:
    """Whether the node changes a picture: one that also says how many is making a new one."""
    linked = [link.input for link in wiring.links(node)]
    takes_picture = any(IMAGE_LINK.fullmatch(name) or "samples" in name for name in linked)
    anew = _has_size(wiring, node) and any(map(MAKES_ANEW.fullmatch, wiring.inputs(node)))
    return takes_picture and not anew
