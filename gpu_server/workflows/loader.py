"""Finding and reading the workflow files of one folder."""

import json
from pathlib import Path
from typing import Any

from gpu_server.config import get_settings
from gpu_server.errors import InvalidWorkflowName, WorkflowInvalid, WorkflowNotFound
from gpu_server.workflows.graph import Graph, parse_graph
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.sidecar import Sidecar, parse_sidecar
from gpu_server.workflows.workflow import Workflow, build_workflow

SIDECAR_ENDING = ".params"
MAX_NAME = 200
"""Bytes: with what we append, a name stays within what file systems take."""


def load_workflow(name: str, workflows_path: Path | None = None) -> dict[str, Any]:
    """The graph in `{name}.json`, or an empty template where there is no such file.

    Raises InvalidWorkflowName and WorkflowInvalid. Without a folder, the settings' own.
    """
    try:
        return read_graph(name, workflows_path or Path(get_settings().workflows_path))
    except WorkflowNotFound:
        return {}


def read_graph(name: str, workflows_path: Path) -> Graph:
    """The graph in `{name}.json`.

    Raises InvalidWorkflowName, WorkflowNotFound (with the names that exist), WorkflowInvalid.
    """
    path = workflow_file(name, workflows_path)
    return parse_graph(_json(path), path.name)


def workflow_file(name: str, workflows_path: Path) -> Path:
    """Where the workflow of this name is. Raises InvalidWorkflowName, WorkflowNotFound."""
    path = workflows_path / f"{_checked_name(name)}.json"
    if not path.is_file():
        names = workflow_names(workflows_path)
        raise WorkflowNotFound(
            f"There is no workflow {name!r}. "
            + (f"Those that exist: {', '.join(names)}." if names else "The folder has none yet."),
            available=names,
        )
    return path


def read_workflow(
    name: str, workflows_path: Path, object_info: ObjectInfo | None = None
) -> Workflow:
    """The graph and its parameters, typed and bounded by `object_info` where it is known.

    Raises as `read_graph` does.
    """
    return read_workflow_file(workflow_file(name, workflows_path), object_info)


def read_workflow_file(path: Path, object_info: ObjectInfo | None = None) -> Workflow:
    """A workflow anywhere, with the sidecar beside it. Raises WorkflowInvalid."""
    graph = parse_graph(_json(path), path.name)
    sidecar = read_sidecar(path)
    return build_workflow(path.stem, graph, sidecar, object_info, sidecar_path(path).name)


def sidecar_path(path: Path) -> Path:
    """Where the sidecar of a workflow file is."""
    return path.with_name(f"{path.stem}{SIDECAR_ENDING}.json")


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar of a workflow file; an empty one where there is none."""
    sidecar = sidecar_path(path)
    return parse_sidecar(_text(sidecar), sidecar.name) if sidecar.is_file() else Sidecar()


def workflow_names(workflows_path: Path) -> list[str]:
    """The names in the folder that can be asked for, sorted; none where it does not exist."""
    if not workflows_path.is_dir():
        return []
    names = (path.stem for path in workflows_path.glob("*.json") if path.is_file())
    return sorted(name for name in names if _is_name(name))


def _checked_name(name: str) -> str:
    if not _is_name(name):
        raise InvalidWorkflowName(
            f"{name[:MAX_NAME]!r} is no workflow name: it is the name of a file in the workflows "
            "folder, without folder and without .json."
        )
    return name


def _is_name(name: str) -> bool:
    return (
        name.isprintable()
        and 0 < len(name.encode()) <= MAX_NAME
        and not name.startswith(".")
        and not name.endswith(SIDECAR_ENDING)
        and not set(name) & set("/\\:")
    )


def _json(path: Path) -> Any:
    try:
        document = json.loads(_text(path))
        # Python reads NaN, half a character and deep nesting, and nobody after it can.
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
        return document
    except (ValueError, RecursionError) as exc:
        raise WorkflowInvalid(
            f"{path.name} is not valid JSON ({exc}). Export it from ComfyUI again."
        ) from exc


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise WorkflowInvalid(f"{path.name} cannot be read: {exc}.") from exc
