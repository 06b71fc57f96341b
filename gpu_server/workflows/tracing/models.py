"""Model files: the diffusion model behind a sampler, the LoRAs on the way to it, upscalers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.holders import holder
from gpu_server.workflows.tracing.switches import chosen
from gpu_server.workflows.tracing.vocabulary import MODEL_LINK, PATCHED_MODEL
from gpu_server.workflows.tracing.wiring import Link, Wiring, walk

MODEL_FILE = re.compile(r"\.(safetensors|ckpt|gguf|pt|pth|bin|sft)$", re.I)
MODEL_NAME = re.compile(
    r"((base|high_noise|low_noise|diffusion|transformer|flux)_)?"
    r"(ckpt|checkpoint|unet|model|gguf)(_name|_path|_file)?\d?",
    re.I,
)
LORA_NAME = re.compile(r"lora(_name)?(_?\d+)?|lora_\d+_name", re.I)
LORA_STRENGTH = re.compile(
    r"(lora_)?((model|clip)_)?(strength|weight|wt|str)(_(model|clip))?", re.I
)


@dataclass(frozen=True)
class Lora:
    """One LoRA: its file's input, and those of its strength."""

    file: Target
    strengths: tuple[Target, ...]


def models(wiring: Wiring, sampler: str) -> Iterator[tuple[Target, Target]]:
    """The files that the sampler's model is loaded from, and the inputs that ask for them."""
    for link in _path(wiring, sampler):
        node = link.source
        if not any(PATCHED_MODEL.fullmatch(each.input) for each in wiring.links(node)):
            for name in _file_inputs(wiring, node):
                if target := holder(wiring, node, name, MODEL_NAME, text=True):
                    yield target, Target(node, name)


def loras(wiring: Wiring, sampler: str) -> Iterator[Lora]:
    """The LoRAs between the sampler and its model, the first applied first."""
    nodes = [link.source for link in _path(wiring, sampler)]
    for node in reversed(nodes):
        yield from _loras(wiring, node)


def upscale_models(wiring: Wiring) -> Iterator[Target]:
    """The files of the upscalers."""
    for node in wiring.flow:
        if link := wiring.link(node, "upscale_model"):
            for name in _file_inputs(wiring, link.source):
                yield Target(link.source, name)


def _path(wiring: Wiring, sampler: str) -> Iterator[Link]:
    return walk(_links(wiring, sampler), lambda link: _links(wiring, link.source))


def _links(wiring: Wiring, node: str) -> list[Link]:
    return [link for link in chosen(wiring, node) if MODEL_LINK.fullmatch(link.input)]


def _file_inputs(wiring: Wiring, node: str) -> list[str]:
    named = [name for name in wiring.inputs(node) if MODEL_NAME.fullmatch(name)]
    literals = wiring.literals(node)
    files = [name for name in named if MODEL_FILE.search(str(literals.get(name, "")))]
    return files or named[:1]


def _loras(wiring: Wiring, node: str) -> Iterator[Lora]:
    literals = wiring.literals(node)
    names = [
        name
        for name, value in literals.items()
        if LORA_NAME.fullmatch(name) and isinstance(value, str) and value != "None"
    ]
    for name in names:
        number = re.search(r"\d+", name)
        strengths = tuple(
            Target(node, each)
            for each, value in literals.items()
            if _is_strength(each, number[0] if number else "") and isinstance(value, (int, float))
        )
        yield Lora(Target(node, name), strengths)


def _is_strength(name: str, number: str) -> bool:
    numbers = re.findall(r"\d+", name)
    plain = re.sub(r"_?\d+", "", name)
    return bool(LORA_STRENGTH.fullmatch(plain)) and numbers == ([number] if number else [])
