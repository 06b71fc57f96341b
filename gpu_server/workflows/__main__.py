"""A look at a workflow before it is served: `python -m gpu_server.workflows NAME_OR_FILE`.

Exits with 0 where it can run, 1 where something is missing or broken, 2 for a wrong call.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from gpu_server.config import Settings, get_settings
from gpu_server.errors import InvalidWorkflowName, WorkflowInvalid, WorkflowNotFound
from gpu_server.workflows.loader import read_workflow_file, sidecar_path, workflow_file
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.report import is_runnable, report
from gpu_server.workflows.sidecar import draft

TIMEOUT_SECONDS = 5.0
RUNNABLE, BROKEN, WRONG_CALL = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what there is to say, and return the exit code."""
    options = _parser().parse_args(arguments)
    settings = get_settings()
    try:
        path = _path(options.workflow, settings)
        workflow = read_workflow_file(path, _object_info(settings.comfyui_api_url))
    except (InvalidWorkflowName, WorkflowNotFound) as exc:
        return _failed(f"{exc} The folder is {settings.workflows_path}.", WRONG_CALL)
    except WorkflowInvalid as exc:
        return _failed(str(exc), BROKEN)
    sys.stdout.write(report(workflow))
    if options.sidecar:
        target = sidecar_path(path)
        if target.exists() and not options.force:
            return _failed(f"{target} exists: --force overwrites it.", WRONG_CALL)
        target.write_text(draft(workflow.name, workflow.parameters), encoding="utf-8")
        sys.stdout.write(f"\nWrote {target}: edit it, or delete what you do not need.\n")
    return RUNNABLE if is_runnable(workflow) else BROKEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gpu_server.workflows",
        description="Show what a workflow takes, makes, and still lacks on this ComfyUI.",
    )
    parser.add_argument("workflow", help="a name in the workflows folder, or a file anywhere")
    parser.add_argument(
        "--sidecar", action="store_true", help="write {name}.params.json beside it, to edit"
    )
    parser.add_argument("--force", action="store_true", help="overwrite a sidecar that exists")
    return parser


def _path(workflow: str, settings: Settings) -> Path:
    path = Path(workflow)
    if path.suffix == ".json" and path.is_file():
        return path
    return workflow_file(workflow, Path(settings.workflows_path))


def _object_info(url: str) -> ObjectInfo | None:
    """What the running ComfyUI has; without one, the graph must do."""
    try:
        # trust_env: a proxy for the world outside is none for ComfyUI beside us.
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            answer = client.get(f"{url.rstrip('/')}/object_info")
            body = answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        reason = str(exc) or type(exc).__name__
        sys.stderr.write(
            f"ComfyUI does not answer at {url} ({reason}): types are read off the graph, and "
            "nodes and models are not checked.\n"
        )
        return None
    return ObjectInfo.parse(body) if isinstance(body, dict) else None


def _failed(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
