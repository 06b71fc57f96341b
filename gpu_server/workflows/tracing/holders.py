"""Which node holds a value that comes over a link: a primitive behind reroutes and switches."""

import re
from collections.abc import Iterable

from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.switches import let_through
from gpu_server.workflows.tracing.vocabulary import FIELDS, NO_VALUE, PLAIN_NUMBER, PLAIN_TEXT
from gpu_server.workflows.tracing.wiring import Link, Wiring, walk

NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")


def holder(
    wiring: Wiring, node: str, name: str, wanted: re.Pattern[str], *, text: bool = False
) -> Target | None:
    """The input whose literal becomes the value of this one: often the input itself.

    `wanted` is what the value is called, for nodes that hold several; `text` is whether it may
    be other than a number. None where the value is made from something else, as a size is from
    an image.
    """
    link = wiring.link(node, name)
    if link is None:
        value = wiring.inputs(node).get(name)
        return Target(node, name) if _is_scalar(value) else None
    for each in walk([link], lambda each: _followed(wiring, each, wanted)):
        if target := _held(wiring, each, wanted, text):
            return target
    return None


def _followed(wiring: Wiring, link: Link, wanted: re.Pattern[str]) -> Iterable[Link]:
    open_inputs = let_through(wiring, link.source)
    links = [each for each in wiring.links(link.source) if each.input in open_inputs]
    named = [each for each in links if wanted.fullmatch(each.input)]
    others = [field for field in FIELDS.values() if field is not wanted]
    return named or [
        each
        for each in links
        if not NO_VALUE.fullmatch(each.input)
        and not any(field.fullmatch(each.input) for field in others)
    ]


def _held(wiring: Wiring, link: Link, wanted: re.Pattern[str], text: bool) -> Target | None:
    """The literal that the link brings: by its name, by the output's, or as the only one."""
    node, literals = link.source, wiring.literals(link.source)
    held = [
        name
        for name in let_through(wiring, node)
        if name in literals and (_is_scalar(literals[name]) if text else _is_number(literals[name]))
    ]
    output = (wiring.output_name(link) or "").casefold()
    named = [name for name in held if wanted.fullmatch(name)]
    named += [name for name in held if wanted.match(name)]
    named += [name for name in held if name.casefold() == output]
    if not named and any(True for _ in _followed(wiring, link, wanted)):
        return None
    plain = PLAIN_TEXT if text else PLAIN_NUMBER
    named += [name for name in held if plain.fullmatch(name) or PLAIN_TEXT.fullmatch(name)]
    scalars = [name for name, value in literals.items() if _is_scalar(value)]
    if held == scalars and len(held) == 1 and not wiring.links(node):
        named += held
    return Target(node, named[0]) if named else None


def _is_scalar(value: object) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_scalar(value) and (not isinstance(value, str) or bool(NUMBER.fullmatch(value)))
