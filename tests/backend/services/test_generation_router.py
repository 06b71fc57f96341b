"""Routing a generation request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from backend.access import EVERYBODY, UNBOUNDED, Bounds, Caller, Scope
from backend.clients.guard import Guard
from backend.errors import ConcurrentLimit, KeyReused, StorageFull
from backend.heavy import LARGE
from backend.schemas.request_generate import GenerateRequest
from backend.services.admission import Admission
from backend.services.attachments import Attachments
from backend.services.catalogue import ModeCatalogue
from backend.services.generation_router import GenerationRouter, Wishes
from backend.services.gpu_services import GPUServices
from backend.services.images import ImageCheck
from backend.services.room import Room
from backend.services.styles import Style
from backend.services.uploads import UploadService
from backend.services.webhook_targets import WebhookTargets
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Priority, Task, TaskState
from tests.backend.gpu_service import GPUService
from tests.backend.making import taken
from tests.backend.services.working import opened

STYLES = {
    "ink": Style(prompt="ink drawing of {prompt}", negative_prompt="colour"),
    "plain": Style(),
}
LARGE_IMAGE = "A" * (LARGE + 4)
ALICE = Caller("alice", "Alice", frozenset(Scope), Bounds(concurrent_tasks=1))


class FullStore(SQLiteTaskStore):
    """A store whose disk is full."""

    async def add(
        self, task: Task, params: Mapping[str, Any], bounds: Bounds = UNBOUNDED
    ) -> tuple[Task, bool]:
        raise StorageFull("The disk is full.")


Woken = list[bool]
Params = Callable[..., Awaitable[dict[str, Any]]]


def made(
    services: GPUServices,
    outputs: LocalOutputStore,
    store: SQLiteTaskStore,
    folder: Path,
    woken: Woken,
) -> GenerationRouter:
    images = ImageCheck(10, 50)
    return GenerationRouter(
        store,
        ModeCatalogue(services, {"free": "free_generation"}),
        services,
        Admission(store, Room(folder, 0), 100),
        STYLES,
        images,
        UploadService(outputs, images),
        Attachments(outputs),
        WebhookTargets(Guard(""), can_sign=True),
        max_face_images=5,
        ageing=600.0,
        on_queued=lambda: woken.append(True),
    )


@pytest.fixture
def woken() -> Woken:
    return []


@pytest.fixture
def make_router(
    services: GPUServices, outputs: LocalOutputStore, woken: Woken, tmp_path: Path
) -> Callable[..., GenerationRouter]:
    return lambda store: made(services, outputs, store, tmp_path, woken)


@pytest.fixture
def router(
    store: SQLiteTaskStore, make_router: Callable[..., GenerationRouter]
) -> GenerationRouter:
    return make_router(store)


def request(**fields: Any) -> GenerateRequest:
    return GenerateRequest(**{"mode": "free", **fields})


@pytest.fixture
def params(router: GenerationRouter, store: SQLiteTaskStore) -> Params:
    """What is kept of a request for its workflow."""

    async def submit(**fields: Any) -> dict[str, Any]:
        task, _ = await router.submit(request(**fields), Wishes(), EVERYBODY)
        claim = await taken(store, time.time())
        assert claim.task.id == task.id
        return claim.params

    return submit


async def test_mode_becomes_the_workflow(router: GenerationRouter) -> None:
    """Spec: Request Routing Service: route to the appropriate workflow handler."""
    task, _ = await router.submit(request(), Wishes(), EVERYBODY)
    assert (task.mode, task.workflow) == ("free", "free_generation")


async def test_request_becomes_a_queued_task(
    router: GenerationRouter, store: SQLiteTaskStore
) -> None:
    task, _ = await router.submit(request(), Wishes(), EVERYBODY)
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)
    assert await store.get(task.id) == task


async def test_gpu_service_is_not_asked_to_generate(
    gpu: GPUService, router: GenerationRouter
) -> None:
    """Spec: Request Routing Service, MVP Stub Logic: no GPU client invocation."""
    await router.submit(request(), Wishes(), EVERYBODY)
    assert not (gpu.generate.called or gpu.put.called)


async def test_worker_is_woken_once_the_task_is_kept(
    router: GenerationRouter, woken: Woken
) -> None:
    await router.submit(request(), Wishes(), EVERYBODY)
    assert woken == [True]


async def test_task_that_cannot_be_kept_is_an_error_and_wakes_nobody(
    make_router: Callable[..., GenerationRouter], woken: Woken, tmp_path: Path
) -> None:
    async with opened(FullStore(tmp_path)) as store:
        with pytest.raises(StorageFull):
            await make_router(store).submit(request(), Wishes(), EVERYBODY)
    assert not woken


async def test_fields_become_parameters(params: Params) -> None:
    fields = {"prompt": "p", "face_images": ["a"], "target_image": "b"}
    assert await params(**fields) == fields


async def test_fields_left_out_become_none(params: Params) -> None:
    assert await params() == {}


async def test_extra_params_become_parameters(params: Params) -> None:
    sent = await params(prompt="p", extra_params={"steps": 20, "cfg": 7.5})
    assert sent == {"prompt": "p", "steps": 20, "cfg": 7.5}


async def test_fields_win_over_extra_params(params: Params) -> None:
    sent = await params(prompt="field", extra_params={"prompt": "extra"})
    assert sent == {"prompt": "field"}


async def test_style_is_put_around_the_prompt(params: Params) -> None:
    sent = await params(prompt="a cat", style="ink")
    assert sent == {"prompt": "ink drawing of a cat", "negative_prompt": "colour"}


async def test_style_keeps_what_the_client_does_not_want(params: Params) -> None:
    extra = {"negative_prompt": "dogs"}
    sent = await params(prompt="a cat", style="ink", extra_params=extra)
    assert sent["negative_prompt"] == "dogs, colour"


async def test_style_without_a_negative_prompt_adds_none(params: Params) -> None:
    sent = await params(prompt="a cat", style="plain")
    assert sent == {"prompt": "a cat"}


async def test_unknown_style_leaves_the_prompt_while_nothing_binds(
    params: Params,
) -> None:
    assert await params(prompt="a cat", style="oil") == {"prompt": "a cat"}


async def test_wrong_types_are_left_for_the_workflow_to_name(params: Params) -> None:
    sent = await params(style="ink", extra_params={"prompt": 7})
    assert sent == {"prompt": 7}


# wishes


async def test_task_without_wishes_is_a_normal_one(router: GenerationRouter) -> None:
    task, is_new = await router.submit(request(), Wishes(), EVERYBODY)
    assert is_new
    assert (task.priority, task.rank) == (Priority.NORMAL, task.created_at)
    assert (task.deadline, task.idempotency_key, task.fingerprint) == (None, None, None)


@pytest.mark.parametrize(
    ("priority", "ahead"), [(Priority.HIGH, 600.0), (Priority.NORMAL, 0.0), (Priority.LOW, -600.0)]
)
async def test_priority_is_worth_so_many_seconds(
    router: GenerationRouter, priority: Priority, ahead: float
) -> None:
    task, _ = await router.submit(request(), Wishes(priority=priority), EVERYBODY)
    assert (task.priority, task.created_at - task.rank) == (priority, ahead)


async def test_deadline_counts_from_now(router: GenerationRouter) -> None:
    task, _ = await router.submit(request(), Wishes(cancel_after=90.0), EVERYBODY)
    assert task.deadline == task.created_at + 90.0


async def test_replay_wakes_nobody(router: GenerationRouter, woken: Woken) -> None:
    wishes = Wishes(idempotency_key="k")
    first, _ = await router.submit(request(), wishes, EVERYBODY)
    assert await router.submit(request(), wishes, EVERYBODY) == (first, False)
    assert woken == [True]


async def test_choice_that_not_all_have_is_kept_with_the_task(
    gpu: GPUService,
    other_gpu: GPUService,
    two: GPUServices,
    outputs: LocalOutputStore,
    store: SQLiteTaskStore,
    tmp_path: Path,
) -> None:
    gpu.has_workflows("free_generation", model={"type": "string", "enum": ["sdxl"]})
    other_gpu.has_workflows("free_generation", model={"type": "string", "enum": ["sdxl", "flux"]})
    await two.refresh()
    router = made(two, outputs, store, tmp_path, [])
    task, _ = await router.submit(request(extra_params={"model": "flux"}), Wishes(), EVERYBODY)
    assert task.needs == {"model": "flux"}


async def test_large_image_is_a_file_of_its_task(
    router: GenerationRouter, store: SQLiteTaskStore, outputs: LocalOutputStore
) -> None:
    task, _ = await router.submit(request(prompt="p", target_image=LARGE_IMAGE), Wishes(), ALICE)
    claim = await taken(store, time.time())
    assert claim.params == {"prompt": "p"}
    assert [each.name for each in claim.task.attachments] == ["target_image"]
    assert [each.name for each in await outputs.folders()] == [task.id]


async def test_image_of_a_request_that_came_before_is_not_kept_twice(
    router: GenerationRouter, outputs: LocalOutputStore
) -> None:
    large, wishes = request(target_image=LARGE_IMAGE), Wishes(idempotency_key="k")
    tasks = await asyncio.gather(*(router.submit(large, wishes, ALICE) for _ in range(3)))
    [task_id] = {task.id for task, _ in tasks}
    assert [is_new for _, is_new in tasks].count(True) == 1
    assert [each.name for each in await outputs.folders()] == [task_id]


async def test_other_image_under_the_same_key_is_refused(router: GenerationRouter) -> None:
    wishes = Wishes(idempotency_key="k")
    await router.submit(request(target_image=LARGE_IMAGE), wishes, ALICE)
    with pytest.raises(KeyReused):
        await router.submit(request(target_image=LARGE_IMAGE[:-4] + "BBBB"), wishes, ALICE)


async def test_image_of_a_task_that_is_one_too_many_is_not_kept(
    router: GenerationRouter, outputs: LocalOutputStore
) -> None:
    await router.submit(request(), Wishes(), ALICE)
    with pytest.raises(ConcurrentLimit):
        await router.submit(request(target_image=LARGE_IMAGE), Wishes(), ALICE)
    assert await outputs.folders() == []


async def test_image_of_a_task_that_finds_no_room_is_not_kept(
    make_router: Callable[..., GenerationRouter], outputs: LocalOutputStore, tmp_path: Path
) -> None:
    async with opened(FullStore(tmp_path)) as store:
        with pytest.raises(StorageFull):
            await make_router(store).submit(request(target_image=LARGE_IMAGE), Wishes(), EVERYBODY)
    assert await outputs.folders() == []
