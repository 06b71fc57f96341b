"""Spec: GPU Service Structure, Workflow Loader."""

import json
from pathlib import Path

import pytest

from gpu_server.config import get_settings
from gpu_server.errors import InvalidWorkflowName, WorkflowInvalid, WorkflowNotFound
from gpu_server.workflows.loader import (
    load_workflow,
    read_graph,
    read_workflow,
    workflow_names,
)

GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.json").write_text(json.dumps(GRAPH))
    return tmp_path


def test_existing_file_is_read_and_parsed(folder: Path) -> None:
    assert load_workflow("one", folder) == GRAPH


def test_missing_file_is_an_empty_template(folder: Path) -> None:
    assert load_workflow("two", folder) == {}


def test_missing_folder_is_an_empty_template(tmp_path: Path) -> None:
    assert load_workflow("one", tmp_path / "missing") == {}


def test_without_a_folder_the_settings_own_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec: `load_workflow(name)` reads `workflows_path / {name}.json`."""
    monkeypatch.setenv("WORKFLOWS_PATH", str(folder))
    get_settings.cache_clear()
    assert load_workflow("one") == GRAPH


def test_file_is_read_anew_each_time(folder: Path) -> None:
    load_workflow("one", folder)
    changed = {"2": GRAPH["1"]}
    (folder / "one.json").write_text(json.dumps(changed))
    assert load_workflow("one", folder) == changed


def test_file_saved_with_a_byte_order_mark_is_read(folder: Path) -> None:
    (folder / "one.json").write_text(json.dumps(GRAPH), encoding="utf-8-sig")
    assert read_graph("one", folder) == GRAPH


def test_missing_file_is_an_error_that_names_those_that_exist(folder: Path) -> None:
    (folder / "two.json").write_text(json.dumps(GRAPH))
    with pytest.raises(WorkflowNotFound, match="one, two") as caught:
        read_graph("three", folder)
    assert caught.value.extra["available"] == ["one", "two"]


def test_missing_file_in_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkflowNotFound, match="none yet"):
        read_graph("one", tmp_path)


def test_names_are_sorted_and_without_sidecars(folder: Path) -> None:
    for name in ("b", "a", "a.params"):
        (folder / f"{name}.json").write_text("{}")
    assert workflow_names(folder) == ["a", "b", "one"]


UNSAFE = [
    "",
    "..",
    "../one",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "one\x00",
    ".one",
    "C:one",
    "one\n",
    "one.params",
    "\ud800",
    "x" * 201,
    "é" * 200,
]


@pytest.mark.parametrize("name", UNSAFE, ids=lambda name: ascii(name)[:20])
def test_name_that_no_workflow_can_have_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidWorkflowName, match="is no workflow name"):
        read_graph(name, folder)


def test_name_cannot_lead_out_of_the_folder(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(InvalidWorkflowName):
        read_graph("../one", inner)


@pytest.mark.parametrize("name", ["one two", "ünï", "v1.2", "x" * 200])
def test_name_with_unusual_letters_is_taken(folder: Path, name: str) -> None:
    (folder / f"{name}.json").write_text(json.dumps(GRAPH))
    assert read_graph(name, folder) == GRAPH


UNREADABLE = {
    "half a file": b'{"1": ',
    "empty file": b"",
    "other encoding": '{"é": 1}'.encode("latin-1"),
    "not a number": b'{"1": {"class_type": "A", "inputs": {"cfg": NaN}}}',
    "half a character": b'{"1": {"class_type": "A", "inputs": {"text": "\\ud800"}}}',
    "nested": b"[" * 200_000,
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_file_that_is_no_json_is_an_error_that_names_it(folder: Path, content: bytes) -> None:
    (folder / "one.json").write_bytes(content)
    with pytest.raises(WorkflowInvalid, match=r"one\.json"):
        read_graph("one", folder)


def test_workflow_without_a_sidecar_has_no_parameters(folder: Path) -> None:
    workflow = read_workflow("one", folder)
    assert (workflow.parameters, workflow.title) == ({}, None)


def test_sidecar_gives_title_and_parameters(folder: Path) -> None:
    sidecar = {
        "title": "One",
        "description": "A canvas.",
        "parameters": {"width": {"node": "1", "input": "width", "type": "integer"}},
    }
    (folder / "one.params.json").write_text(json.dumps(sidecar))
    workflow = read_workflow("one", folder)
    assert (workflow.title, workflow.description) == ("One", "A canvas.")
    assert workflow.schema() == {
        "type": "object",
        "properties": {"width": {"type": "integer", "default": 8}},
        "additionalProperties": False,
    }
