"""A sampler's settings: its own, or those of the nodes that hold them for it."""

import re
from collections.abc import Iterator

from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.holders import holder
from gpu_server.workflows.tracing.samplers import is_sampler
from gpu_server.workflows.tracing.vocabulary import ATTRIBUTES
from gpu_server.workflows.tracing.wiring import Link, Wiring, walk


def settings(
    wiring: Wiring, sampler: str, wanted: re.Pattern[str], *, text: bool
) -> Iterator[tuple[Target, Target]]:
    """Where the setting is held, and the input that asks for it; nearest to the sampler first.

    The first node that has the setting has the last word on it.
    """
    for node in _nodes(wiring, sampler):
        found = [
            (target, Target(node, name))
            for name in wiring.inputs(node)
            if wanted.fullmatch(name) and (target := holder(wiring, node, name, wanted, text=text))
        ]
        if found:
            yield from found
            return


def _nodes(wiring: Wiring, sampler: str) -> Iterator[str]:
    yield sampler
    start = _attributes(wiring, sampler)
    for link in walk(start, lambda link: _attributes(wiring, link.source)):
        if not is_sampler(wiring, link.source):
            yield link.source


def _attributes(wiring: Wiring, node: str) -> list[Link]:
    links = wiring.links(node)
    held = [link for link in links if ATTRIBUTES.fullmatch(link.input)]
    return held or ([] if len(links) > 1 else links[:1])
