"""Which nodes sample: KSampler and its kin in every pack, by what goes into them."""

import re

from gpu_server.workflows.tracing.vocabulary import FIELDS, LATENT_LINK, is_text_name
from gpu_server.workflows.tracing.wiring import Wiring

KEEPS_RECORD = re.compile(r"save|metadata|preview", re.I)
BACKWARDS = re.compile(r"unsampl|flip_?sigmas", re.I)
CONDITIONED = re.compile(r"positive|negative|conditioning|cond1", re.I)
NO_GENERATOR = re.compile(
    r"wildcard|prompt|text|string|style|random|noise|llm|vlm|chat|caption|florence", re.I
)
PICTURE_USERS = re.compile(r".*(image|pixels|samples|latent|video|frames|audio).*", re.I)
TEXT_USERS = re.compile(r".*(text|prompt|string|positive|negative|conditioning).*", re.I)


def samplers(wiring: Wiring) -> list[str]:
    """In the order of the flow: a first pass comes before the second."""
    return [node for node in wiring.flow if is_sampler(wiring, node)]


def runs_backwards(wiring: Wiring, node: str) -> bool:
    """Whether it makes noise of an image, for another to start from."""
    sigmas = wiring.link(node, "sigmas")
    classes = [wiring.class_type(each) for each in (node, sigmas.source if sigmas else node)]
    return any(BACKWARDS.search(each) for each in classes)


def is_sampler(wiring: Wiring, node: str) -> bool:
    """Whether the node samples, or is a whole model that does."""
    if KEEPS_RECORD.search(wiring.class_type(node)):
        return False
    return _samples(wiring, node) or _is_generator(wiring, node)


def _samples(wiring: Wiring, node: str) -> bool:
    """A node that takes a guider, or a conditioning or settings together with a seed."""
    names = wiring.inputs(node)
    linked = {link.input for link in wiring.links(node)}
    if "guider" in linked:
        return bool({"sigmas", "noise", "latent_image"} & {*names})
    if not linked or _makes_conditioning(wiring, node):
        return False
    set_up = {field for field, wording in FIELDS.items() if any(map(wording.fullmatch, names))}
    if any(map(CONDITIONED.fullmatch, linked)):
        latent = any(map(LATENT_LINK.fullmatch, linked))
        return len(set_up) >= 2 or "sigmas" in linked or ("seed" in set_up and latent)
    return "seed" in set_up and bool(set_up & {"steps", "cfg", "sampler_name", "denoise"})


def _makes_conditioning(wiring: Wiring, node: str) -> bool:
    if (info := wiring.info(node)) and info.outputs:
        return {*info.outputs} <= {"CONDITIONING", "STRING", "GUIDER"}
    consumers = wiring.consumers(node)
    return bool(consumers) and all(TEXT_USERS.fullmatch(link.input) for link in consumers)


def _is_generator(wiring: Wiring, node: str) -> bool:
    """A whole model behind one node: a prompt and a seed go in, an image comes out."""
    names = wiring.inputs(node)
    if not any(FIELDS["seed"].fullmatch(name) for name in names):
        return False
    if not any(is_text_name(name) for name in names):
        return False
    if NO_GENERATOR.search(wiring.class_type(node)):
        return False
    fed = [link.input for link in wiring.consumers(node)]
    makes_pictures = not fed or any(map(PICTURE_USERS.fullmatch, fed))
    return makes_pictures and not any(map(TEXT_USERS.fullmatch, fed))
