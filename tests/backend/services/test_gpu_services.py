"""The GPU services that there are, and what each of them can run."""

from typing import Any

import anyio
import httpx
import pytest

from backend.services.gpu_services import GPUServices
from backend.tasks import Job
from tests.backend.gpu_service import GPU_URL, OTHER_URL, GPUService, schema
from tests.conditions import eventually


def flow(name: str = "free_generation", *models: str, **more: Any) -> dict[str, Any]:
    """A workflow that may have any of these models; the first is its default."""
    model = {"type": "string", "enum": list(models), "default": next(iter(models), None)}
    known: dict[str, Any] = {"prompt": {"type": "string"}, **({"model": model} if models else {})}
    return {"name": name, "parameters": schema(**known), **more}


async def served(two: GPUServices, workflow: str, **needs: Any) -> list[bool]:
    """Which of the two is given such a task."""
    await two.refresh()
    return [two.serves(each)(workflow, needs) for each in two]


# what each is given


async def test_task_goes_where_its_workflow_is(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("upscale"))
    other_gpu.has(flow("upscale"), flow("inpaint"))
    assert await served(two, "upscale") == [True, True]
    assert await served(two, "inpaint") == [False, True]


async def test_task_goes_where_its_model_is(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("free_generation", "sdxl"))
    other_gpu.has(flow("free_generation", "sdxl", "flux"))
    assert await served(two, "free_generation", model="flux") == [False, True]
    assert await served(two, "free_generation", model="sdxl") == [True, True]


BROKEN: dict[str, dict[str, Any]] = {
    "error": {"error": "free_generation.json is no graph."},
    "missing node": {
        "missing_nodes": [{"node": "3", "title": "S", "class_type": "K2", "nearest": []}]
    },
    "missing model": {
        "missing_models": [
            {"node": "4", "title": "L", "input": "vae_name", "value": "gone", "nearest": []}
        ]
    },
}


@pytest.mark.parametrize("lack", BROKEN.values(), ids=BROKEN)
async def test_workflow_that_lacks_something_runs_where_it_is_whole(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, lack: dict[str, Any]
) -> None:
    gpu.has(flow(**lack))
    other_gpu.has(flow())
    assert await served(two, "free_generation") == [False, True]


async def test_missing_default_may_be_chosen_otherwise(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    missing = [{"node": "4", "title": "L", "input": "ckpt", "value": "sdxl", "nearest": []}]
    model = {"type": "string", "enum": ["flux"], "default": "sdxl"}
    entry = {"name": "free_generation", "parameters": schema(model=model)}
    gpu.has({**entry, "missing_models": missing})
    other_gpu.has(flow("free_generation", "sdxl"))
    assert await served(two, "free_generation", model="flux") == [True, False]


async def test_what_nobody_can_run_is_given_to_anyone(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    """So that the client learns from it why."""
    gpu.has(flow("upscale"))
    other_gpu.has(flow("inpaint"))
    assert await served(two, "gone") == [True, True]


async def test_stub_among_real_ones_is_given_nothing(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    """A placeholder must not pass for an image."""
    gpu.has(flow("upscale"))
    assert await served(two, "upscale") == [True, False]
    assert await served(two, "gone") == [True, False]


async def test_stubs_are_given_everything(gpu: GPUService, two: GPUServices) -> None:
    assert await served(two, "anything", model="at all") == [True, True]


async def test_service_that_was_never_asked_is_given_nothing_beside_a_known_one(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("upscale"))
    other_gpu.goes_away()
    assert await served(two, "upscale") == [True, False]


async def test_of_several_nobody_is_given_anything_before_it_was_asked(
    gpu: GPUService, two: GPUServices
) -> None:
    assert [two.serves(each)("upscale", {}) for each in two] == [False, False]


async def test_one_service_is_given_everything_before_it_was_asked(services: GPUServices) -> None:
    [service] = services
    assert services.serves(service)("anything", {"model": "m"})


async def test_service_that_is_away_keeps_what_only_it_can_run(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("upscale"))
    other_gpu.has(flow("inpaint"))
    await two.refresh()
    other_gpu.goes_away()
    assert await served(two, "inpaint") == [False, True]


# needs


async def needs(two: GPUServices, **params: Any) -> dict[str, Any]:
    await two.refresh()
    return two.needs("free_generation", params)


async def test_choice_that_not_all_have_is_a_need(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("free_generation", "sdxl"))
    other_gpu.has(flow("free_generation", "sdxl", "flux"))
    assert await needs(two, prompt="p", model="flux") == {"model": "flux"}


async def test_choice_that_all_have_is_no_need(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("free_generation", "sdxl"))
    other_gpu.has(flow("free_generation", "sdxl", "flux"))
    assert await needs(two, model="sdxl") == {}


async def test_default_that_not_all_have_is_a_need(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("free_generation", "flux", "sdxl"))
    other_gpu.has(flow("free_generation", "flux"))
    assert await needs(two, prompt="p") == {}
    gpu.has(flow("free_generation", "sdxl"))
    other_gpu.has(flow("free_generation", "flux", "sdxl"))
    assert await needs(two, model="flux") == {"model": "flux"}


async def test_what_is_no_choice_is_no_need(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    gpu.has(flow("free_generation"))
    other_gpu.has(flow("free_generation", "flux"))
    assert await needs(two, prompt="a lighthouse") == {}


async def test_one_service_leaves_no_needs(gpu: GPUService, services: GPUServices) -> None:
    gpu.has(flow("free_generation", "sdxl"))
    await services.refresh()
    assert services.needs("free_generation", {"model": "sdxl"}) == {}


# jobs and health


@pytest.mark.parametrize("url", [GPU_URL, OTHER_URL])
async def test_job_is_cancelled_where_it_is(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices, url: str
) -> None:
    await two.cancel_job(Job("j1", url))
    expected = (["j1"], []) if url == GPU_URL else ([], ["j1"])
    assert (gpu.cancelled, other_gpu.cancelled) == expected


async def test_job_of_an_older_version_is_cancelled_at_the_first(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    await two.cancel_job(Job("j1", None))
    assert (gpu.cancelled, other_gpu.cancelled) == (["j1"], [])


async def test_job_is_cancelled_though_its_service_is_not_ours_any_more(
    gpu: GPUService, other_gpu: GPUService, services: GPUServices
) -> None:
    await services.cancel_job(Job("j1", OTHER_URL))
    assert (gpu.cancelled, other_gpu.cancelled) == ([], ["j1"])


async def test_no_job_is_nothing_to_cancel(gpu: GPUService, services: GPUServices) -> None:
    await services.cancel_job(None)
    assert not gpu.delete.called


async def test_job_that_cannot_be_cancelled_is_told_and_no_error(
    gpu: GPUService, services: GPUServices, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.goes_away()
    await services.cancel_job(Job("j1", GPU_URL))
    assert "Job j1 could not be cancelled" in caplog.text


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(200, 200, True), (200, 503, True), (503, 200, True), (503, 503, False)],
)
async def test_health_is_good_where_any_answers(
    gpu: GPUService,
    other_gpu: GPUService,
    two: GPUServices,
    first: int,
    second: int,
    expected: bool,
) -> None:
    gpu.health.respond(first)
    other_gpu.health.respond(second)
    assert await two.check_health() is expected


async def test_health_waits_for_nobody_once_one_has_answered(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    gpu.health.side_effect = silent
    with anyio.fail_after(2):
        assert await two.check_health()


async def test_only_those_that_answer_are_counted(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    assert two.answering() == 0
    await two.refresh()
    assert two.answering() == 2
    other_gpu.workflows.mock(side_effect=httpx.ConnectError("refused"))
    await two.refresh()
    assert two.answering() == 1


# kept fresh


async def test_catalogues_of_all_are_kept_up_to_date(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    async with two.kept_fresh(0.01):
        await eventually(lambda: min(gpu.workflows.call_count, other_gpu.workflows.call_count) > 3)


async def test_one_that_hangs_does_not_hold_up_the_other(
    gpu: GPUService, other_gpu: GPUService, two: GPUServices
) -> None:
    asked: list[httpx.Request] = []

    async def silent(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        await anyio.sleep_forever()
        raise AssertionError

    gpu.workflows.side_effect = silent
    async with two.kept_fresh(0.01):
        await eventually(lambda: other_gpu.workflows.call_count > 3)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "trouble",
    [httpx.Response(404), httpx.ConnectError("refused"), RuntimeError("nobody expects this")],
    ids=["404", "away", "bug"],
)
async def test_catalogue_that_cannot_be_had_is_asked_for_again(
    gpu: GPUService, services: GPUServices, trouble: Any
) -> None:
    gpu.workflows.mock(side_effect=[trouble, trouble])
    usual = httpx.Response(200, json={"engine": "comfyui", "workflows": [flow("upscale")]})
    async with services.kept_fresh(0.01):
        await eventually(lambda: gpu.workflows.call_count == 2)
        gpu.workflows.mock(return_value=usual)
        [service] = services
        await eventually(lambda: service.engine == "comfyui")


async def test_it_is_kept_no_longer_than_it_is_entered(
    gpu: GPUService, services: GPUServices
) -> None:
    async with services.kept_fresh(0.01):
        await eventually(lambda: gpu.workflows.called)
    await anyio.wait_all_tasks_blocked()
    calls = gpu.workflows.call_count
    await anyio.wait_all_tasks_blocked()
    assert gpu.workflows.call_count == calls
