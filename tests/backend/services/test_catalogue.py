"""What can be asked for."""

from typing import Any

import httpx
import pytest

from backend.errors import InvalidInput, UnknownMode
from backend.services.catalogue import ModeCatalogue
from backend.services.gpu_services import GPUServices
from tests.backend.gpu_service import GPUService, schema


@pytest.fixture
def catalogue(services: GPUServices) -> ModeCatalogue:
    return ModeCatalogue(services, {"free": "free_generation", "gone": "no_such_file"})


@pytest.mark.parametrize(
    ("mode", "workflow"), [("free", "free_generation"), ("upscale", "upscale"), ("", "")]
)
def test_mode_stands_for_a_workflow(catalogue: ModeCatalogue, mode: str, workflow: str) -> None:
    """Spec: Request Routing Service, Future Design: map mode to workflow name."""
    assert catalogue.workflow(mode) == workflow


async def test_unknown_catalogue_takes_any_mode(catalogue: ModeCatalogue) -> None:
    await catalogue.check("anything")
    assert not catalogue.binding


async def test_stub_takes_any_mode(services: GPUServices, catalogue: ModeCatalogue) -> None:
    await services.refresh()
    await catalogue.check("anything")
    assert not catalogue.binding


async def test_known_mode_is_taken(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("free_generation")
    await services.refresh()
    await catalogue.check("free")
    assert catalogue.binding


async def test_modes_are_the_names_that_have_a_workflow(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale", "free_generation")
    await services.refresh()
    assert catalogue.modes() == ["free", "upscale"]


def test_unknown_catalogue_has_no_modes(catalogue: ModeCatalogue) -> None:
    assert catalogue.modes() == []


async def test_mode_whose_workflow_is_missing_is_unknown(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    await services.refresh()
    with pytest.raises(UnknownMode) as caught:
        await catalogue.check("gone")
    assert caught.value.extra == {"parameter": "mode", "available": ["upscale"]}


async def test_no_workflow_at_all_is_told(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows()
    await services.refresh()
    with pytest.raises(UnknownMode, match="Modes: none"):
        await catalogue.check("free")


async def test_long_mode_is_cut_in_the_message(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows()
    await services.refresh()
    with pytest.raises(UnknownMode) as caught:
        await catalogue.check("x" * 100_000)
    assert len(caught.value.message) < 200


async def test_known_mode_costs_no_question(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    await services.refresh()
    await catalogue.check("upscale")
    assert gpu.workflows.call_count == 1


async def test_unknown_mode_is_asked_for_anew(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    await services.refresh()
    gpu.has_workflows("upscale", "dropped_in")
    await catalogue.check("dropped_in")
    assert catalogue.modes() == ["dropped_in", "upscale"]


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(200, json=[])],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_copy_stays_when_the_gpu_service_does_not_answer(
    gpu: GPUService,
    services: GPUServices,
    catalogue: ModeCatalogue,
    trouble: httpx.Response | Exception,
) -> None:
    gpu.has_workflows("upscale")
    await services.refresh()
    gpu.workflows.mock(side_effect=[trouble])
    await services.refresh()
    assert catalogue.modes() == ["upscale"]


async def test_engine_that_became_the_stub_binds_no_longer(
    gpu: GPUService, services: GPUServices, catalogue: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    await services.refresh()
    gpu.workflows.respond(json={"engine": "stub", "workflows": []})
    await services.refresh()
    await catalogue.check("anything")


# of several GPU services


@pytest.fixture
def union(two: GPUServices) -> ModeCatalogue:
    return ModeCatalogue(two, {"free": "free_generation"})


def choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


async def test_modes_are_those_of_all(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has_workflows("free_generation", "upscale")
    other_gpu.has_workflows("free_generation", "inpaint")
    await two.refresh()
    assert union.modes() == ["free", "inpaint", "upscale"]
    assert [each.mode for each in union.show().modes] == union.modes()
    await union.check("inpaint")


async def test_choices_are_those_of_all(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has_workflows("free_generation", model=choice("sdxl", "sd15"))
    other_gpu.has_workflows("free_generation", model=choice("sdxl", "flux"))
    await two.refresh()
    properties = union.parameters("free")["properties"]
    assert properties["model"] == choice("sdxl", "sd15", "flux")
    await union.check_parameters("free", {"model": "flux"})
    await union.check_parameters("free", {"model": "sd15"})


async def test_choice_that_nobody_has_is_refused(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has_workflows("free_generation", model=choice("sdxl"))
    other_gpu.has_workflows("free_generation", model=choice("flux"))
    await two.refresh()
    with pytest.raises(InvalidInput, match="sd15"):
        await union.check_parameters("free", {"model": "sd15"})


async def test_choices_that_no_service_has_together_are_refused(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has_workflows("free_generation", model=choice("sdxl"), lora=choice("ink", "oil"))
    other_gpu.has_workflows("free_generation", model=choice("flux", "sdxl"), lora=choice("ink"))
    await two.refresh()
    await union.check_parameters("free", {"model": "flux", "lora": "ink"})
    await union.check_parameters("free", {"model": "sdxl", "lora": "oil"})
    with pytest.raises(InvalidInput, match="No GPU service has all of these together") as caught:
        await union.check_parameters("free", {"model": "flux", "lora": "oil"})
    assert {"flux", "oil"} <= set(caught.value.message.rstrip(".").replace(",", " ").split())
    assert caught.value.extra["parameter"] in ("model", "lora")


async def test_workflow_is_shown_as_the_service_has_it_that_lacks_least(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has({"name": "free_generation", "error": "It is broken here."})
    other_gpu.has_workflows("free_generation", prompt={"type": "string"})
    await two.refresh()
    assert union.show_one("free").error is None
    assert list(union.parameters("free")["properties"]) == ["prompt"]


async def test_workflow_may_take_as_long_as_any_service_allows(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has({"name": "free_generation", "parameters": schema(), "timeout": 60})
    other_gpu.has({"name": "free_generation", "parameters": schema(), "timeout": 600})
    await two.refresh()
    assert union.timeout("free_generation") == 600


async def test_one_real_engine_among_stubs_binds(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    other_gpu.has_workflows("upscale")
    await two.refresh()
    assert union.binding
    with pytest.raises(UnknownMode):
        await union.check("free")


async def test_modes_of_a_service_that_is_away_stay(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, union: ModeCatalogue
) -> None:
    gpu.has_workflows("upscale")
    other_gpu.has_workflows("inpaint")
    await two.refresh()
    other_gpu.goes_away()
    await two.refresh()
    assert union.modes() == ["inpaint", "upscale"]
