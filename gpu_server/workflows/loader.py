"""Finding and reading the workflow files of one folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_server.config import get_settings
from gpu_server.errors import InvalidWorkflowName, WorkflowInvalid, WorkflowNotFound
from gpu_server.workflows.graph import Graph, parse_graph
from gpu_server.workflows.parameters import Parameter
from gpu_server.workflows.sidecar import Sidecar, parse_sidecar, sidecar_parameters

SIDECAR_ENDING = ".params"
MAX_NAME = 200


@dataclass(frozen=True)
class Workflow:
    """One file of the folder, read and checked."""

    name: str
    graph: Graph
    parameters: dict[str, Parameter]
    title: str | None = None
    description: str | None = None

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the object that `params` may be."""
        return {
            "type": "object",
            "properties": {name: p.schema() for name, p in self.parameters.items()},
            "additionalProperties": False,
        }


def load_workflow(name: str, workflows_path: Path | None = None) -> dict[str, Any]:
    """The graph in `{name}.json`, or an empty template where there is no such file.

    Raises InvalidWorkflowName and WorkflowInvalid. Without a folder, the settings' own.
    """
    try:
        return read_graph(name, workflows_path or get_settings().workflows_path)
    except WorkflowNotFound:
        return {}


def read_graph(name: str, workflows_path: Path) -> Graph:
    """The graph in `{name}.json`.

    Raises InvalidWorkflowName, WorkflowNotFound (with the names that exist), WorkflowInvalid.
    """
    path = workflows_path / f"{_checked_name(name)}.json"
    if not path.is_file():
        names = workflow_names(workflows_path)
        raise WorkflowNotFound(
            f"There is no workflow {name!r}. "
            + (f"Those that exist: {', '.join(names)}." if names else "The folder has none yet."),
            available=names,
        )
    return parse_graph(_json(path), path.name)


def read_workflow(name: str, workflows_path: Path) -> Workflow:
    """The graph and its parameters. Raises as `read_graph` does."""
    graph = read_graph(name, workflows_path)
    path = workflows_path / f"{name}{SIDECAR_ENDING}.json"
    sidecar = parse_sidecar(_text(path), path.name) if path.is_file() else Sidecar()
    return Workflow(
        name=name,
        graph=graph,
        parameters=sidecar_parameters(sidecar, graph, path.name),
        title=sidecar.title,
        description=sidecar.description,
    )


def workflow_names(workflows_path: Path) -> list[str]:
    """The names of the workflow files in the folder, sorted; none where it does not exist."""
    if not workflows_path.is_dir():
        return []
    names = (path.stem for path in workflows_path.glob("*.json") if path.is_file())
    return sorted(name for name in names if not name.endswith(SIDECAR_ENDING))


def _checked_name(name: str) -> str:
    safe = (
        0 < len(name) <= MAX_NAME
        and name.isprintable()
        and not name.startswith(".")
        and not name.endswith(SIDECAR_ENDING)
        and not set(name) & set("/\\:")
    )
    if not safe:
        raise InvalidWorkflowName(
            f"{name[:MAX_NAME]!r} is no workflow name: it is the name of a file in the workflows "
            "folder, without folder and without .json."
        )
    return name


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as exc:
        raise WorkflowInvalid(
            f"{path.name} is not valid JSON ({exc}). Export it from ComfyUI again."
        ) from exc


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise WorkflowInvalid(f"{path.name} cannot be read: {exc}.") from exc
