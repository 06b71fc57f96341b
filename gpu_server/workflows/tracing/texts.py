"""The texts behind a sampler's positive and negative."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gpu_server.workflows.graph import node_title
from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.switches import chosen, is_alternative, let_through
from gpu_server.workflows.tracing.vocabulary import (
    CONDITIONING,
    EMPTY_CONDITIONING,
    ENCODER_TEXT,
    IMAGE_LINK,
    NO_VALUE,
    PLAIN_TEXT,
    ROLE_WORD,
    SHOWS,
    TEXT_MODEL_LINK,
    ZEROED,
    Role,
    is_text_name,
)
from gpu_server.workflows.tracing.wiring import Link, Wiring, walk

ADDED = re.compile(r"prefix|suffix|style|trigger|token|template|system|\bpre\b|\bpost\b", re.I)

Text = tuple[Target, ...]
"""The inputs that one text goes into."""


@dataclass(frozen=True)
class Place:
    """A node on the way upstream, as the source of a conditioning or a text."""

    node: str
    index: int
    role: Role
    asked_by: str


def texts(wiring: Wiring, sampler: str) -> dict[Role, list[Text]]:
    """The sampler's texts by role, what the author typed before what is made from it."""
    start = [Place(sampler, -1, role, "") for role in Role]
    found: dict[Role, dict[Text, tuple[bool, bool]]] = {role: {} for role in Role}
    for place in walk(start, lambda each: _next(wiring, each)):
        role = _role(wiring, place)
        for text in _held(wiring, place):
            found[role][text] = (_is_made(wiring, place.node), _is_added(wiring, place.node))
    positive, negative = (sorted(by_text, key=by_text.__getitem__) for by_text in found.values())
    return _told_apart(positive, negative)


def _is_added(wiring: Wiring, node: str) -> bool:
    """Whether its title says that the text only goes along with another one."""
    return bool(ADDED.search(node_title(wiring.graph, node)))


def _told_apart(positive: list[Text], negative: list[Text]) -> dict[Role, list[Text]]:
    """A text for both is the prompt, unless there is another one for that and none for this."""
    shared = [text for text in positive if text in negative]
    if shared == negative and shared != positive:
        return {
            Role.POSITIVE: [text for text in positive if text not in shared],
            Role.NEGATIVE: negative,
        }
    return {
        Role.POSITIVE: positive,
        Role.NEGATIVE: [text for text in negative if text not in shared],
    }


def _is_made(wiring: Wiring, node: str) -> bool:
    """Whether the node makes its text from other nodes' values."""
    return any(
        not TEXT_MODEL_LINK.fullmatch(link.input)
        and not CONDITIONING.fullmatch(link.input)
        and not NO_VALUE.fullmatch(link.input)
        for link in wiring.links(node)
    )


def conditioning_nodes(wiring: Wiring, sampler: str) -> Iterator[str]:
    """The nodes that the positive conditioning comes through."""
    start = Place(sampler, -1, Role.POSITIVE, "")
    for place in walk([start], lambda each: _next(wiring, each)):
        yield place.node


def _next(wiring: Wiring, place: Place) -> Iterable[Place]:
    node = place.node
    if ZEROED.search(wiring.class_type(node)) or _is_caption(wiring, node):
        return
    role = _role(wiring, place)
    for link in _links(wiring, place, role):
        yield Place(link.source, link.index, role, link.input)


def _links(wiring: Wiring, place: Place, role: Role) -> list[Link]:
    links = [
        link for link in chosen(wiring, place.node) if not EMPTY_CONDITIONING.fullmatch(link.input)
    ]
    conditionings = [link for link in links if _is_conditioning(wiring, link)]
    texts = [link for link in links if link not in conditionings and is_text_name(link.input)]
    named = _of_role([*conditionings, *texts], role)
    if place.index < 0 or conditionings or _is_encoder(wiring, place.node):
        return named
    return named or [link for link in links if not NO_VALUE.fullmatch(link.input)]


def _is_encoder(wiring: Wiring, node: str) -> bool:
    return any(TEXT_MODEL_LINK.fullmatch(link.input) for link in wiring.links(node))


def _of_role(links: list[Link], role: Role) -> list[Link]:
    """Those that are named for the role; where none is, those that are named for neither."""
    named = [link for link in links if ROLE_WORD[role].fullmatch(link.input)]
    neutral = [link for link in links if not ROLE_WORD[role.other].fullmatch(link.input)]
    return named or neutral


def _is_conditioning(wiring: Wiring, link: Link) -> bool:
    info = wiring.input_info(link.node, link.input)
    if info is not None and info.type != "*":
        return info.type in ("CONDITIONING", "GUIDER") or bool(
            CONDITIONING.fullmatch(link.input) and info.type not in ("STRING", "FLOAT", "INT")
        )
    return bool(CONDITIONING.fullmatch(link.input))


def _role(wiring: Wiring, place: Place) -> Role:
    """Which of a pair comes out of this output: the first is the positive."""
    node = place.node
    pair = all(
        any(ROLE_WORD[role].fullmatch(name) for name in wiring.inputs(node)) for role in Role
    )
    if not pair or place.index < 0 or not _is_pair_output(place.asked_by):
        return place.role
    meant = [wiring.output_name(Link("", "", node, place.index)) or ""]
    meant += [link.input for link in wiring.consumers(node) if link.index == place.index]
    roles = {role for role in Role for name in meant if ROLE_WORD[role].fullmatch(name)}
    if len(roles) == 1:
        return roles.pop()
    used = sorted({each.index for each in wiring.consumers(node) if _is_pair_output(each.input)})
    if place.index not in used or len(used) < 2:
        return place.role
    return Role.POSITIVE if place.index == used[0] else Role.NEGATIVE


def _is_pair_output(asked_by: str) -> bool:
    return bool(CONDITIONING.fullmatch(asked_by)) and "pipe" not in asked_by


def _is_caption(wiring: Wiring, node: str) -> bool:
    """A node that makes a text from an image: what it is asked is no prompt."""
    linked = [link.input for link in wiring.links(node)]
    return (
        any(map(IMAGE_LINK.fullmatch, linked))
        and not any(map(TEXT_MODEL_LINK.fullmatch, linked))
        and not any(map(CONDITIONING.fullmatch, linked))
    )


def _held(wiring: Wiring, place: Place) -> list[Text]:
    node = place.node
    if ZEROED.search(wiring.class_type(node)) or _is_caption(wiring, node):
        return []
    names = _texts(wiring, place)
    together = [name for name in names if ENCODER_TEXT.fullmatch(name)]
    groups = [together] if together else []
    groups += [[name] for name in names if name not in together]
    return [tuple(Target(node, name) for name in group) for group in groups]


def _texts(wiring: Wiring, place: Place) -> list[str]:
    """The node's inputs that hold a text of the role."""
    node, role = place.node, _role(wiring, place)
    linked = [link.input for link in wiring.links(node)]
    strings = [
        name
        for name, value in wiring.literals(node).items()
        if isinstance(value, str)
        and not _is_choice(wiring, node, name)
        and name in let_through(wiring, node)
    ]
    named = [name for name in strings if is_text_name(name)]
    if place.index < 0:
        return [name for name in named if _is_own_prompt(name, role, linked)]
    if roles := [name for name in named if ROLE_WORD[role].fullmatch(name)]:
        return roles
    if _only_passes_on(wiring, place, linked):
        return []
    if named:
        return [name for name in named if not ROLE_WORD[role.other].fullmatch(name)]
    return [name for name in strings if PLAIN_TEXT.fullmatch(name) or is_alternative(name)]


def _only_passes_on(wiring: Wiring, place: Place, linked: list[str]) -> bool:
    """Whether the texts that the node holds itself are none of the role's."""
    if any(ROLE_WORD[role].fullmatch(name) for role in Role for name in linked):
        return True
    if any(map(is_text_name, linked)) and SHOWS.search(wiring.class_type(place.node)):
        return True  # It keeps a copy of what it last showed.
    # A LoRA loader that is asked for text has written down its LoRAs.
    return {"model", "clip"} <= {*linked} and not CONDITIONING.fullmatch(place.asked_by)


def _is_own_prompt(name: str, role: Role, linked: list[str]) -> bool:
    """A sampler's own text, where no encoder makes its conditioning."""
    if any(CONDITIONING.fullmatch(each) for each in linked) or "wildcard" in name:
        return False
    return bool(ROLE_WORD[role].fullmatch(name)) or (
        role is Role.POSITIVE and not ROLE_WORD[role.other].fullmatch(name)
    )


def _is_choice(wiring: Wiring, node: str, name: str) -> bool:
    info = wiring.input_info(node, name)
    return info is not None and info.type != "STRING"
