"""Each workflow of the folder: whether it is one, and what it lacks on this ComfyUI."""

from collections.abc import Iterator

from gpu_server.config import Settings
from gpu_server.doctor.finding import Finding, green, red, yellow
from gpu_server.errors import GPUServiceError
from gpu_server.workflows.loader import read_workflow, workflow_names
from gpu_server.workflows.missing import Missing
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.workflow import Workflow

SUBJECT = "workflows"
NODES = "install the nodes' pack in ComfyUI"
MODELS = "put it among ComfyUI's models, or name another one in the request or the workflow"


def look(settings: Settings, object_info: ObjectInfo | None) -> Iterator[Finding]:
    """One finding for each that cannot run as it is, and one for all others."""
    names, sound = workflow_names(settings.workflows_path), []
    for name in names:
        try:
            workflow = read_workflow(name, settings.workflows_path, object_info)
        except GPUServiceError as exc:
            yield red(SUBJECT, f"{name}: {exc.message}", f"python -m gpu_server.workflows {name}")
            continue
        if workflow.missing or not workflow.outputs:
            yield yellow(SUBJECT, f"{name}: {_lacks(workflow)}", _way_out(workflow))
        else:
            sound.append(name)
    if sound:
        asked = "can run" if object_info else "are read; without ComfyUI no more is known"
        yield green(SUBJECT, f"{', '.join(sound)} {asked}")
    if not names:
        yield yellow(SUBJECT, f"there are none in {settings.workflows_path}", "see WORKFLOWS_PATH")


def _lacks(workflow: Workflow) -> str:
    missing: Missing = workflow.missing
    told = [f"the node class {each.class_type!r}" for each in missing.nodes]
    told += [
        f"{each.input} {each.value!r}"
        + (f" (there is {', '.join(each.nearest)})" if each.nearest else "")
        for each in missing.models
    ]
    if not told:
        return "no node of it makes an output"
    return f"ComfyUI does not have {'; '.join(dict.fromkeys(told))}"


def _way_out(workflow: Workflow) -> str:
    if workflow.missing.nodes:
        return NODES
    return MODELS if workflow.missing.models else "add a Save Image node"
