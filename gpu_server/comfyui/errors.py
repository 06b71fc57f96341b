"""ComfyUI's own error documents, turned into ours: which node, which input, what to do."""

import difflib
from collections.abc import Mapping
from typing import Any

from gpu_server.errors import (
    ComfyUIError,
    ComfyUIExecutionFailed,
    ComfyUIRejected,
    GPUServiceError,
    WorkflowInvalid,
)

Titles = Mapping[str, str]
"""Node ids to the titles that their author gave them."""


def error_of_rejection(answer: Mapping[str, Any], titles: Titles) -> GPUServiceError:
    """From the body of `POST /prompt`: `{error, node_errors}`."""
    node_errors = answer.get("node_errors") or {}
    for node_id, report in node_errors.items():
        for problem in report.get("errors", []):
            return _node_rejection(node_id, report.get("class_type"), problem, titles)
    error = answer.get("error")
    if not isinstance(error, dict):
        return ComfyUIError(f"ComfyUI refused the workflow without saying why: {str(answer)[:200]}")
    text = " ".join(filter(None, [error.get("message"), error.get("details")]))
    node_id = (error.get("extra_info") or {}).get("node_id")
    if error.get("type") in ("missing_node_type", "invalid_prompt"):
        return WorkflowInvalid(
            f"ComfyUI cannot run this workflow: {text}. Install the custom node that has it, "
            "or export the workflow again.",
            node_id=node_id,
            node_title=titles.get(str(node_id)),
        )
    return WorkflowInvalid(f"ComfyUI cannot run this workflow: {text}.", node_id=node_id)


def _node_rejection(
    node_id: str, class_type: str | None, problem: Mapping[str, Any], titles: Titles
) -> ComfyUIRejected:
    info = problem.get("extra_info") or {}
    name = info.get("input_name")
    message = f"ComfyUI refused node {node_id} ({titles.get(node_id) or class_type})"
    message += f", input {name}: " if name else ": "
    message += str(problem.get("message", "no reason given"))
    near: list[str] = []
    if problem.get("type") == "value_not_in_list":
        choices = _choices(info.get("input_config"))
        value = str(info.get("received_value"))
        near = difflib.get_close_matches(value, choices, n=3, cutoff=0.3) or choices[:5]
        message += f": {value!r}. "
        if near:
            message += f"It has: {', '.join(near)}"
        elif info.get("input_config"):
            message += "It has none installed"
        else:  # ComfyUI sends no list of more than 20 choices.
            message += "Look in ComfyUI for the names that it has"
    elif problem.get("details") and problem["details"] != name:
        message += f" ({problem['details']})"
    return ComfyUIRejected(
        f"{message}.",
        node_id=node_id,
        node_title=titles.get(node_id),
        node_class=class_type,
        input=name,
        hint=near[0] if near else None,
    )


def _choices(config: Any) -> list[str]:
    """The allowed values in an input's configuration: `[[…], {}]` or `["COMBO", {options}]`."""
    if not isinstance(config, list) or not config:
        return []
    if isinstance(config[0], list):
        return [str(choice) for choice in config[0]]
    options = config[1].get("options") if len(config) > 1 and isinstance(config[1], dict) else None
    return [str(choice) for choice in options or []]


def error_of_execution(entry: Mapping[str, Any], titles: Titles) -> GPUServiceError | None:
    """From a history entry: why the job failed, or None where it did not.

    The status alone is not enough: some failures leave "success" beside an execution_error.
    """
    status = entry.get("status") or {}
    for name, data in status.get("messages", []):
        if name == "execution_error" and data.get("exception_type") != "ExecutionBlocked":
            return _execution_failed(data, titles)
        if name == "execution_interrupted":
            return ComfyUIExecutionFailed("The job was interrupted in ComfyUI. Submit it again.")
    if status.get("status_str") == "error":
        return ComfyUIExecutionFailed("ComfyUI says that the job failed, and not why: see its log.")
    return None


def is_out_of_memory(entry: Mapping[str, Any]) -> bool:
    """Whether that is why the job failed."""
    for name, data in (entry.get("status") or {}).get("messages", []):
        if name == "execution_error":
            return _is_memory(data)
    return False


def _is_memory(data: Mapping[str, Any]) -> bool:
    text = f"{data.get('exception_type')} {data.get('exception_message')}".lower()
    return "outofmemory" in text or "out of memory" in text


def trace_of(entry: Mapping[str, Any]) -> str:
    """ComfyUI's traceback of a failure, on lines of its own: for the log, and for no client."""
    for name, data in (entry.get("status") or {}).get("messages", []):
        if name == "execution_error" and data.get("traceback"):
            return "\n" + "".join(map(str, data["traceback"])).rstrip()
    return ""


def _execution_failed(data: Mapping[str, Any], titles: Titles) -> ComfyUIExecutionFailed:
    node_id = str(data.get("node_id"))
    node_class = data.get("node_type")
    reason = str(data.get("exception_message") or data.get("exception_type") or "unknown").strip()
    then = " Ask for less (size, batch), or for a smaller model." if _is_memory(data) else ""
    return ComfyUIExecutionFailed(
        f"Node {node_id} ({titles.get(node_id) or node_class}) failed in ComfyUI: {reason}{then}",
        node_id=node_id,
        node_title=titles.get(node_id),
        node_class=node_class,
    )
