"""What a person wants to know of a workflow before it is served, as text."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from gpu_server.workflows.graph import node_title
from gpu_server.workflows.missing import MissingModel, MissingNode
from gpu_server.workflows.parameters import Parameter, ParameterType, Target
from gpu_server.workflows.workflow import Workflow

HEAD = ("name", "type", "default", "bounds", "from", "goes to")
SHOWN = 36
EXAMPLES: dict[str, Any] = {"prompt": "a lighthouse at dawn", "seed": 7}
IN_EXAMPLE = ("width", "height", "seed")
URL = "http://localhost:8000/generate"


def report(workflow: Workflow) -> str:
    """The whole page."""
    return "\n".join(_lines(workflow)) + "\n"


def is_runnable(workflow: Workflow) -> bool:
    """Whether ComfyUI would take it, as far as is known."""
    return not workflow.missing and bool(workflow.outputs)


def _lines(workflow: Workflow) -> Iterator[str]:
    yield f"{workflow.name}: {workflow.title}" if workflow.title else workflow.name
    yield "\nParameters"
    rows = [_row(workflow, parameter) for parameter in workflow.parameters.values()]
    yield from _table([HEAD, *rows]) if rows else ["  none"]
    yield "\nOutputs"
    for output in workflow.outputs:
        chosen = " (chosen)" if output.node in (workflow.output_nodes or ()) else ""
        yield f"  {output.node} {output.class_type} {output.title!r}: {output.kind.value}{chosen}"
    if not workflow.outputs:
        yield "  none: ComfyUI would not run it. Add a Save Image node."
    if workflow.missing:
        yield "\nMissing on this ComfyUI"
        yield from (_missing(each) for each in workflow.missing.nodes)
        yield from (_missing(each) for each in workflow.missing.models)
    yield "\nTry it"
    yield _curl(workflow)


def _row(workflow: Workflow, parameter: Parameter) -> tuple[str, ...]:
    kind = "mask" if parameter.mask else parameter.type.value
    default = "" if parameter.default is None else json.dumps(parameter.default, ensure_ascii=False)
    targets = ", ".join(_target(workflow, target) for target in parameter.targets)
    name = f"{parameter.name}!" if parameter.required else parameter.name
    return (name, kind, _short(default), _bounds(parameter), parameter.source.value, targets)


def _bounds(parameter: Parameter) -> str:
    if parameter.enum is not None and parameter.type is not ParameterType.IMAGE:
        return _short(f"{len(parameter.enum)}: {', '.join(map(str, parameter.enum))}")
    low, high = parameter.minimum, parameter.maximum
    parts = [
        f"{'' if low is None else low}..{'' if high is None else high}"
        if (low, high) != (None, None)
        else "",
        f"step {parameter.step}" if parameter.step else "",
        f"multiple of {parameter.multiple_of}" if parameter.multiple_of else "",
    ]
    return " ".join(filter(None, parts))


def _target(workflow: Workflow, target: Target) -> str:
    return f"{target.node}.{target.input} ({_short(node_title(workflow.graph, target.node))})"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def _missing(missing: MissingNode | MissingModel) -> str:
    if isinstance(missing, MissingNode):
        what = f"the node class {missing.class_type!r}"
    else:
        what = f"{missing.input} {missing.value!r}"
    nearest = f" Nearest: {', '.join(missing.nearest)}." if missing.nearest else ""
    return f"  node {missing.node} {missing.title!r}: {what} is not there.{nearest}"


def _curl(workflow: Workflow) -> str:
    """A request that runs as it stands; images are taken from files beside it."""
    images = [
        name for name, each in workflow.parameters.items() if each.type is ParameterType.IMAGE
    ]
    request: dict[str, Any] = {"mode": workflow.name}
    if "prompt" in workflow.parameters:
        request["prompt"] = EXAMPLES["prompt"]
    extra = {name: f"$(base64 -w0 {name}.png)" for name in images}
    extra |= {
        name: EXAMPLES.get(name, workflow.parameters[name].default)
        for name in IN_EXAMPLE
        if name in workflow.parameters
    }
    if extra:
        request["extra_params"] = extra
    body = json.dumps(request)
    head = f"  curl -s {URL} -H 'Content-Type: application/json' -H 'Prefer: wait=60'"
    if images:
        return f"{head} -d @- <<JSON\n{body}\nJSON"
    return f"{head} \\\n    -d {shlex.quote(body)}"
