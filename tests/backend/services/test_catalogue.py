"""What can be asked for."""

import httpx
import pytest

from backend.clients.gpu_client import GPUClient
from backend.errors import UnknownMode
from backend.services.catalogue import ModeCatalogue
from tests.backend.gpu_service import GPUService


@pytest.fixture
def catalogue(gpu_client: GPUClient) -> ModeCatalogue:
    return ModeCatalogue(gpu_client, {"free": "free_generation", "gone": "no_such_file"})


@pytest.mark.parametrize(
    ("mode", "workflow"), [("free", "free_generation"), ("upscale", "upscale"), ("", "")]
)
def test_mode_stands_for_a_workflow(catalogue: ModeCatalogue, mode: str, workflow: str) -> None:
    """Spec: Request Routing Service, Future Design: map mode to workflow name."""
    assert catalogue.workflow(mode) == workflow


async def test_unknown_catalogue_takes_any_mode(catalogue: ModeCatalogue) -> None:
    await catalogue.check("anything")
    assert not catalogue.binding


async def test_stub_takes_any_mode(catalogue: ModeCatalogue) -> None:
    await catalogue.refresh()
    await catalogue.check("anything")
    assert not catalogue.binding


async def test_known_mode_is_taken(gpu: GPUService, catalogue: ModeCatalogue) -> None:
    gpu.has_workflows("free_generation")
    await catalogue.refresh()
    await catalogue.check("free")
    assert catalogue.binding


async def test_modes_are_the_names_that_have_a_workflow(
    gpu: GPUService, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale", "free_generation")
    await catalogue.refresh()
    assert catalogue.modes() == ["free", "upscale"]


def test_unknown_catalogue_has_no_modes(catalogue: ModeCatalogue) -> None:
    assert catalogue.modes() == []


async def test_mode_whose_workflow_is_missing_is_unknown(
    gpu: GPUService, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    await catalogue.refresh()
    with pytest.raises(UnknownMode) as caught:
        await catalogue.check("gone")
    assert caught.value.extra == {"parameter": "mode", "available": ["upscale"]}


async def test_no_workflow_at_all_is_told(gpu: GPUService, catalogue: ModeCatalogue) -> None:
    gpu.has_workflows()
    await catalogue.refresh()
    with pytest.raises(UnknownMode, match="Modes: none"):
        await catalogue.check("free")


async def test_long_mode_is_cut_in_the_message(gpu: GPUService, catalogue: ModeCatalogue) -> None:
    gpu.has_workflows()
    await catalogue.refresh()
    with pytest.raises(UnknownMode) as caught:
        await catalogue.check("x" * 100_000)
    assert len(caught.value.message) < 200


async def test_known_mode_costs_no_question(gpu: GPUService, catalogue: ModeCatalogue) -> None:
    gpu.has_workflows("upscale")
    await catalogue.refresh()
    await catalogue.check("upscale")
    assert gpu.workflows.call_count == 1


async def test_unknown_mode_is_asked_for_anew(gpu: GPUService, catalogue: ModeCatalogue) -> None:
    gpu.has_workflows("upscale")
    await catalogue.refresh()
    gpu.has_workflows("upscale", "dropped_in")
    await catalogue.check("dropped_in")
    assert catalogue.modes() == ["dropped_in", "upscale"]


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(200, json=[])],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_copy_stays_when_the_gpu_service_does_not_answer(
    gpu: GPUService, catalogue: ModeCatalogue, trouble: httpx.Response | Exception
) -> None:
    gpu.has_workflows("upscale")
    await catalogue.refresh()
    gpu.workflows.mock(side_effect=[trouble])
    await catalogue.refresh()
    assert catalogue.modes() == ["upscale"]


async def test_engine_that_became_the_stub_binds_no_longer(
    gpu: GPUService, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    await catalogue.refresh()
    gpu.workflows.respond(json={"engine": "stub", "workflows": []})
    await catalogue.refresh()
    await catalogue.check("anything")
