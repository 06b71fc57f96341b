"""Parameters by the graph alone."""

from collections import Counter
from dataclasses import replace

from gpu_server.workflows.domain import parameter_of
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.parameters import Parameter, Source, Target
from gpu_server.workflows.tracing.findings import Findings, ordinal
from gpu_server.workflows.tracing.holders import holder
from gpu_server.workflows.tracing.images import images, media
from gpu_server.workflows.tracing.models import loras, models, upscale_models
from gpu_server.workflows.tracing.samplers import runs_backwards, samplers
from gpu_server.workflows.tracing.settings import settings
from gpu_server.workflows.tracing.sizes import sizes
from gpu_server.workflows.tracing.texts import Text, conditioning_nodes, texts
from gpu_server.workflows.tracing.vocabulary import FIELDS, FPS, GUIDANCE, Role
from gpu_server.workflows.tracing.wiring import Wiring

NAMED = ("sampler_name", "scheduler")
"""Settings that are no numbers."""

TEXT_NAMES = {Role.POSITIVE: "prompt", Role.NEGATIVE: "negative_prompt"}


def traced_parameters(graph: Graph, object_info: ObjectInfo | None) -> dict[str, Parameter]:
    """What clients may set, by name."""
    wiring = Wiring(graph, object_info)
    findings = Findings(wiring)
    by_sampler = {sampler: texts(wiring, sampler) for sampler in samplers(wiring)}
    # What runs backwards or without a prompt prepares something for the others.
    order = sorted(
        by_sampler,
        key=lambda sampler: (
            runs_backwards(wiring, sampler),
            not by_sampler[sampler][Role.POSITIVE],
        ),
    )
    _add_texts(findings, [by_sampler[sampler] for sampler in order])
    _add_settings(findings, wiring, order)
    _add_sizes(findings, wiring, order)
    _add_fps(findings, wiring)
    _add_models(findings, wiring, order)
    for target, mask in images(wiring):
        findings.add("mask" if mask else "image", (target,), mask=mask)
    for target, kind in media(wiring):
        findings.add(kind, (target,))
    parameters = [
        parameter_of(found, graph, object_info, Source.GRAPH) for found in findings.named()
    ]
    holders = Counter(parameter.targets[0].node for parameter in parameters)
    return {
        # The title of a node that holds several values is none of one of them.
        each.name: each if holders[each.targets[0].node] == 1 else replace(each, title=None)
        for each in parameters
    }


def _add_texts(findings: Findings, by_sampler: list[dict[Role, list[Text]]]) -> None:
    prompts = {target for found in by_sampler for text in found[Role.POSITIVE] for target in text}
    for role, name in TEXT_NAMES.items():
        for found in by_sampler:
            new = [text for text in found[role] if role is Role.POSITIVE or not prompts & {*text}]
            no_choice = len(new) == 1 and len(findings.known(name)) == 1
            for text in new:
                # The same words at two places are one text that the author typed once; no words
                # at all are so only where there is no other text to mean.
                words = str(findings.value(text[0])).strip()
                findings.add(name, text, joined=bool(words) or no_choice)


def _add_settings(findings: Findings, wiring: Wiring, order: list[str]) -> None:
    for name, wanted in FIELDS.items():
        for sampler in order:
            for target, asked in settings(wiring, sampler, wanted, text=name in NAMED):
                findings.add(name, (target,), (asked,))
    for sampler in order:
        for node in (*conditioning_nodes(wiring, sampler), sampler):
            for name in wiring.inputs(node):
                if GUIDANCE.fullmatch(name) and (held := holder(wiring, node, name, GUIDANCE)):
                    findings.add("guidance", (held,), (Target(node, name),))


def _add_sizes(findings: Findings, wiring: Wiring, order: list[str]) -> None:
    found = [size for sampler in order for size in sizes(wiring, sampler)]
    made = {size.target for size in found if not size.resizes}
    for size in found:
        if not size.resizes:
            joined = size.field in ("batch_size", "length")
            findings.add(size.field, (size.target,), (size.asked,), joined=joined)
    for size in found:
        if size.resizes and size.target not in made:
            findings.add(f"resize_{size.field}", (size.target,), (size.asked,))


def _add_fps(findings: Findings, wiring: Wiring) -> None:
    for node in wiring.flow:
        for name in wiring.inputs(node):
            if FPS.fullmatch(name) and (held := holder(wiring, node, name, FPS)):
                findings.add("fps", (held,), (Target(node, name),), joined=True)


def _add_models(findings: Findings, wiring: Wiring, order: list[str]) -> None:
    for sampler in order:
        for target, asked in models(wiring, sampler):
            findings.add("model", (target,), (asked,))
    found = {lora: None for sampler in order for lora in loras(wiring, sampler)}
    for number, lora in enumerate(found, start=1):
        findings.add(ordinal("lora", number), (lora.file,))
        if lora.strengths:
            findings.add(ordinal("lora_strength", number), lora.strengths)
    for target in upscale_models(wiring):
        findings.add("upscale_model", (target,))
