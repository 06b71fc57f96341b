"""Routing a generation request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.clients.gpu_client import GPUClient
from backend.errors import StorageFull
from backend.schemas.request_generate import GenerateRequest
from backend.services.catalogue import ModeCatalogue
from backend.services.generation_router import GenerationRouter
from backend.services.images import ImageCheck
from backend.services.styles import Style
from backend.services.uploads import UploadService
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Task, TaskState
from tests.backend.gpu_service import GPUService

STYLES = {
    "ink": Style(prompt="ink drawing of {prompt}", negative_prompt="colour"),
    "plain": Style(),
}


class FullStore(SQLiteTaskStore):
    """A store whose disk is full."""

    async def add(self, task: Task) -> None:
        raise StorageFull("The disk is full.")


Woken = list[bool]


@pytest.fixture
def woken() -> Woken:
    return []


@pytest.fixture
def make_router(
    gpu_client: GPUClient, outputs: OutputStore, woken: Woken
) -> Callable[..., GenerationRouter]:
    def make(store: SQLiteTaskStore) -> GenerationRouter:
        catalogue = ModeCatalogue(gpu_client, {"free": "free_generation"})
        images = ImageCheck(10, 50)
        uploads = UploadService(outputs, images)
        return GenerationRouter(
            store, catalogue, STYLES, images, uploads, 5, on_queued=lambda: woken.append(True)
        )

    return make


@pytest.fixture
def router(
    store: SQLiteTaskStore, make_router: Callable[..., GenerationRouter]
) -> GenerationRouter:
    return make_router(store)


def request(**fields: Any) -> GenerateRequest:
    return GenerateRequest(**{"mode": "free", **fields})


async def test_mode_becomes_the_workflow(router: GenerationRouter) -> None:
    """Spec: Request Routing Service: route to the appropriate workflow handler."""
    task = await router.submit(request())
    assert (task.mode, task.workflow) == ("free", "free_generation")


async def test_request_becomes_a_queued_task(
    router: GenerationRouter, store: SQLiteTaskStore
) -> None:
    task = await router.submit(request())
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)
    assert await store.get(task.id) == task


async def test_gpu_service_is_not_asked_to_generate(
    gpu: GPUService, router: GenerationRouter
) -> None:
    """Spec: Request Routing Service, MVP Stub Logic: no GPU client invocation."""
    await router.submit(request())
    assert not (gpu.generate.called or gpu.put.called)


async def test_worker_is_woken_once_the_task_is_kept(
    router: GenerationRouter, woken: Woken
) -> None:
    await router.submit(request())
    assert woken == [True]


async def test_task_that_cannot_be_kept_is_an_error_and_wakes_nobody(
    make_router: Callable[..., GenerationRouter], woken: Woken, tmp_path: Path
) -> None:
    with pytest.raises(StorageFull):
        await make_router(FullStore(tmp_path)).submit(request())
    assert not woken


async def test_fields_become_parameters(router: GenerationRouter) -> None:
    fields = {"prompt": "p", "face_images": ["a"], "target_image": "b"}
    assert (await router.submit(request(**fields))).params == fields


async def test_fields_left_out_become_none(router: GenerationRouter) -> None:
    assert (await router.submit(request())).params == {}


async def test_extra_params_become_parameters(router: GenerationRouter) -> None:
    task = await router.submit(request(prompt="p", extra_params={"steps": 20, "cfg": 7.5}))
    assert task.params == {"prompt": "p", "steps": 20, "cfg": 7.5}


async def test_fields_win_over_extra_params(router: GenerationRouter) -> None:
    task = await router.submit(request(prompt="field", extra_params={"prompt": "extra"}))
    assert task.params == {"prompt": "field"}


async def test_style_is_put_around_the_prompt(router: GenerationRouter) -> None:
    task = await router.submit(request(prompt="a cat", style="ink"))
    assert task.params == {"prompt": "ink drawing of a cat", "negative_prompt": "colour"}


async def test_style_keeps_what_the_client_does_not_want(router: GenerationRouter) -> None:
    extra = {"negative_prompt": "dogs"}
    task = await router.submit(request(prompt="a cat", style="ink", extra_params=extra))
    assert task.params["negative_prompt"] == "dogs, colour"


async def test_style_without_a_negative_prompt_adds_none(router: GenerationRouter) -> None:
    task = await router.submit(request(prompt="a cat", style="plain"))
    assert task.params == {"prompt": "a cat"}


async def test_unknown_style_leaves_the_prompt_while_nothing_binds(
    router: GenerationRouter,
) -> None:
    assert (await router.submit(request(prompt="a cat", style="oil"))).params == {"prompt": "a cat"}


async def test_wrong_types_are_left_for_the_workflow_to_name(router: GenerationRouter) -> None:
    task = await router.submit(request(style="ink", extra_params={"prompt": 7}))
    assert task.params == {"prompt": 7}
