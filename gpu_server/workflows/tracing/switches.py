"""Nodes that let one of several inputs through."""

import re

from gpu_server.workflows.tracing.wiring import Link, Wiring

SWITCH = re.compile(r"switch|select|branch|if_?else|\bif\b|conditional", re.I)
SELECTOR = re.compile(
    r"select(ed)?(_index|_input)?|index|input|switch|boolean|bool|cond(ition)?|enable", re.I
)
WHEN_TRUE = re.compile(r".*(^|_)(true|tt)($|_).*", re.I)
WHEN_FALSE = re.compile(r".*(^|_)(false|ff)($|_).*", re.I)


def let_through(wiring: Wiring, node: str) -> list[str]:
    """The inputs whose values can come out: of a switch that is set, the chosen one alone."""
    names = [*wiring.inputs(node)]
    if not SWITCH.search(wiring.class_type(node)):
        return names
    for name in filter(SELECTOR.fullmatch, names):
        value = _set_to(wiring, node, name)
        if isinstance(value, bool):
            wording = WHEN_TRUE if value else WHEN_FALSE
            chosen = [each for each in names if wording.fullmatch(each)]
        else:
            chosen = [each for each in names if re.fullmatch(rf"\D*{value}", each)]
        if chosen:
            return chosen
    return names


def chosen(wiring: Wiring, node: str) -> list[Link]:
    """The node's links that can come out of it."""
    names = let_through(wiring, node)
    return [link for link in wiring.links(node) if link.input in names]


def is_alternative(name: str) -> bool:
    """Whether an input of a switch is one of those that it chooses from."""
    return bool(WHEN_TRUE.fullmatch(name) or WHEN_FALSE.fullmatch(name))


def _set_to(wiring: Wiring, node: str, name: str) -> object:
    """What the switch is set to, here or at the primitive that sets it."""
    link = wiring.link(node, name)
    if link is None:
        return wiring.inputs(node).get(name)
    held = [*wiring.literals(link.source).values()]
    return held[0] if len(held) == 1 else None
