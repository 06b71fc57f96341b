"""ComfyUI's error documents, turned into ours."""

from typing import Any

import pytest

from gpu_server.comfyui.errors import error_of_execution, error_of_rejection
from gpu_server.errors import ComfyUIError, ComfyUIExecutionFailed, ComfyUIRejected, WorkflowInvalid

TITLES = {"4": "Model"}


def rejection(problem: dict[str, Any], node: str = "4") -> dict[str, Any]:
    """A refusal of one node for this reason."""
    report = {"class_type": "CheckpointLoaderSimple", "errors": [problem]}
    return {
        "error": {"type": "prompt_outputs_failed_validation", "message": "m", "details": ""},
        "node_errors": {node: report},
    }


def not_in_list(config: Any, value: Any = "x.safetensors") -> dict[str, Any]:
    info = {"input_name": "ckpt_name", "input_config": config, "received_value": value}
    return rejection({"type": "value_not_in_list", "message": "Not in list", "extra_info": info})


FILES = ["sd_xl.safetensors", "other.safetensors"]


@pytest.mark.parametrize("config", [[FILES, {}], ["COMBO", {"options": FILES}]], ids=["old", "new"])
def test_choices_are_found_in_the_config_of_either_version(config: Any) -> None:
    error = error_of_rejection(not_in_list(config, "sdxl.safetensors"), TITLES)
    assert error.extra["hint"] == "sd_xl.safetensors"


def test_no_choice_at_all_is_said() -> None:
    assert "none installed" in error_of_rejection(not_in_list([[], {}]), TITLES).message


def test_choices_that_comfyui_did_not_send_are_not_taken_for_none() -> None:
    """It leaves out lists of more than 20."""
    assert "none installed" not in error_of_rejection(not_in_list(None), TITLES).message


def test_refused_node_is_named_with_title_class_and_input() -> None:
    error = error_of_rejection(not_in_list([FILES, {}]), TITLES)
    assert isinstance(error, ComfyUIRejected)
    assert "node 4 (Model), input ckpt_name" in error.message
    assert error.extra["node_class"] == "CheckpointLoaderSimple"


def test_refused_node_without_a_title_is_named_with_its_class() -> None:
    error = error_of_rejection(not_in_list([FILES, {}]), {})
    assert "node 4 (CheckpointLoaderSimple)" in error.message


ODD: list[dict[str, Any]] = [
    {},
    {"error": "No prompt provided"},
    {"error": None, "node_errors": []},
    {"node_errors": {"1": {"errors": []}}},
    {"error": {}},
]


@pytest.mark.parametrize("answer", ODD, ids=str)
def test_odd_refusal_is_an_error_all_the_same(answer: dict[str, Any]) -> None:
    error = error_of_rejection(answer, {})
    assert isinstance(error, (ComfyUIError, WorkflowInvalid))
    assert error.message


def entry(*messages: Any, status: str = "error") -> dict[str, Any]:
    """A job's entry in the history."""
    return {"status": {"status_str": status, "completed": False, "messages": list(messages)}}


def failure(**fields: Any) -> list[Any]:
    told = {"node_id": "4", "node_type": "A", "exception_message": "broke\n", **fields}
    return ["execution_error", told]


def test_success_is_no_error() -> None:
    messages = [["execution_start", {}], ["execution_success", {}]]
    assert error_of_execution(entry(*messages, status="success"), TITLES) is None


def test_failed_node_is_named() -> None:
    error = error_of_execution(entry(failure()), TITLES)
    assert isinstance(error, ComfyUIExecutionFailed)
    assert "4 (Model)" in error.message
    assert error.message.endswith("broke")


def test_error_inside_a_success_is_an_error() -> None:
    assert error_of_execution(entry(failure(), status="success"), TITLES) is not None


def test_blocked_execution_is_no_error() -> None:
    """A branch that a node switched off on purpose."""
    messages = failure(exception_type="ExecutionBlocked")
    assert error_of_execution(entry(messages, status="success"), TITLES) is None


def test_interruption_is_an_error_that_says_so() -> None:
    error = error_of_execution(entry(["execution_interrupted", {}]), TITLES)
    assert error is not None
    assert "interrupted" in error.message


def test_error_without_a_message_is_an_error() -> None:
    assert error_of_execution(entry(), TITLES) is not None


@pytest.mark.parametrize("status", [None, {}])
def test_entry_without_a_status_is_no_error(status: Any) -> None:
    """Of before ComfyUI wrote any."""
    assert error_of_execution({"status": status, "outputs": {}}, TITLES) is None
