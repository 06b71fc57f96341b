"""The workflows that come with the service."""

import pytest

from gpu_server.workflows.graph import save_nodes
from gpu_server.workflows.loader import read_workflow, workflow_names
from gpu_server.workflows.parameters import bind
from tests.gpu_server.serving import SHIPPED

NAMES = workflow_names(SHIPPED)


def test_free_generation_and_selftest_are_shipped() -> None:
    assert {"free_generation", "selftest"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_workflow_has_a_title_and_a_description(name: str) -> None:
    workflow = read_workflow(name, SHIPPED)
    assert workflow.title
    assert workflow.description


@pytest.mark.parametrize("name", NAMES)
def test_shipped_workflow_saves_something(name: str) -> None:
    assert list(save_nodes(read_workflow(name, SHIPPED).graph))


@pytest.mark.parametrize("name", NAMES)
def test_defaults_of_a_shipped_workflow_are_valid(name: str) -> None:
    workflow = read_workflow(name, SHIPPED)
    defaults = {each.name: each.default for each in workflow.parameters.values()}
    assert bind(workflow.graph, workflow.parameters, defaults).graph == workflow.graph
