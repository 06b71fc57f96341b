"""What happens to a task, as it happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from backend.access import EVERYBODY, ApiKey, Caller, Scope
from backend.services.access import AccessService
from backend.services.estimates import Estimates
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub, LiveProgress, Preview
from backend.services.task_display import TaskDisplay
from backend.services.task_story import StoryEvent, TaskStory
from backend.services.tasks import TaskService
from backend.store.key_store import digest_of
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.keys import SQLiteKeyStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.making import claimed, queued

FAILED = Outcome(TaskState.FAILED, error="no", error_code="odd")


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[SQLiteKeyStore]:
    keys = SQLiteKeyStore(tmp_path)
    yield keys
    await keys.close()


@pytest.fixture
def access(keys: SQLiteKeyStore) -> AccessService:
    return AccessService(keys, required=False)


@pytest.fixture
def story(
    store: SQLiteTaskStore,
    outputs: LocalOutputStore,
    live: LiveHub,
    services: GPUServices,
    access: AccessService,
) -> TaskStory:
    return TaskStory(
        store,
        live,
        TaskService(
            store,
            outputs,
            live,
            services,
            TaskDisplay(store, outputs, live, Estimates(store, services.answering)),
        ),
        access,
        60,
    )


async def retried(store: SQLiteTaskStore) -> None:
    """A task that has failed, and waits once more."""
    task = await claimed(store)
    await store.finish(task, FAILED, 2500.0)
    assert await store.retry(task.id, 0.0) is not None


class Reader:
    """Reads a story; what it does not get is not there yet."""

    def __init__(self, events: Any) -> None:
        self._events = events

    async def next(self) -> StoryEvent | None:
        with anyio.fail_after(5):
            event: StoryEvent | None = await anext(self._events)
            return event

    async def rest(self) -> list[StoryEvent | None]:
        with anyio.fail_after(5):
            return [event async for event in self._events]


@asynccontextmanager
async def reading(
    story: TaskStory, task_id: str = "t1", after: int = 0, caller: Caller = EVERYBODY
) -> AsyncIterator[Reader]:
    async with aclosing(story.follow(task_id, caller, after)) as events:
        yield Reader(events)


def kinds(events: list[StoryEvent | None]) -> list[str | None]:
    return [None if event is None else event.kind for event in events]


async def test_states_come_in_order_with_their_numbers(
    store: SQLiteTaskStore, live: LiveHub, story: TaskStory
) -> None:
    await queued(store)
    async with reading(story) as reader:
        first = await reader.next()
        assert first is not None
        assert (first.kind, first.data) == (
            "queued",
            {"task_id": "t1", "status": "queued", "attempt": 0},
        )
        task = await claimed(store)
        live.changed("t1")
        second = await reader.next()
        assert second is not None
        assert (second.kind, second.data["attempt"]) == ("running", 1)
        await store.finish(task, FAILED, 2500.0)
        live.changed("t1", ended=True)
        [last] = await reader.rest()
    assert last is not None
    assert [each.seq for each in (first, second, last)] == sorted(
        [int(str(each.seq)) for each in (first, second, last)]
    )


async def test_end_comes_with_the_whole_task(store: SQLiteTaskStore, story: TaskStory) -> None:
    await queued(store)
    await store.finish(await claimed(store), FAILED, 2500.0)
    async with reading(story) as reader:
        last = (await reader.rest())[-1]
    assert last is not None
    assert (last.kind, last.data["status"], last.data["error"]) == ("failed", "failed", "no")
    assert last.data["finished_at"] == "1970-01-01T00:41:40Z"


async def test_progress_and_previews_come_without_a_number(
    store: SQLiteTaskStore, live: LiveHub, story: TaskStory
) -> None:
    await queued(store)
    await claimed(store)
    async with reading(story) as reader:
        assert kinds([await reader.next(), await reader.next()]) == ["queued", "running"]
        live.progressed("t1", LiveProgress(0.25, "KSampler"))
        assert await reader.next() == StoryEvent("progress", {"value": 0.25, "node": "KSampler"})
        live.previewed("t1", Preview("image/jpeg", "aGk="))
        assert await reader.next() == StoryEvent(
            "preview", {"content_type": "image/jpeg", "image": "aGk="}
        )


async def test_progress_that_has_been_told_is_not_told_again(
    store: SQLiteTaskStore, live: LiveHub, story: TaskStory
) -> None:
    await queued(store)
    task = await claimed(store)
    live.progressed("t1", LiveProgress(0.25))
    async with reading(story) as reader:
        told = [await reader.next() for _ in range(3)]
        live.wake_all()
        await store.finish(task, FAILED, 2500.0)
        live.changed("t1", ended=True)
        told += await reader.rest()
    assert kinds(told) == ["queued", "running", "progress", "failed"]


async def test_slow_reader_gets_the_newest_progress_only(
    store: SQLiteTaskStore, live: LiveHub, story: TaskStory
) -> None:
    await queued(store)
    await claimed(store)
    async with reading(story) as reader:
        for _ in range(2):
            await reader.next()
        for step in range(100):
            live.progressed("t1", LiveProgress(step / 100))
        assert await reader.next() == StoryEvent("progress", {"value": 0.99, "node": None})


async def test_whoever_comes_back_misses_no_change(
    store: SQLiteTaskStore, story: TaskStory
) -> None:
    await queued(store)
    async with reading(story) as reader:
        seen = await reader.next()
    assert seen is not None
    assert seen.seq is not None
    await store.release(await claimed(store), not_before=0.0, spent=True)
    await store.finish(await claimed(store), FAILED, 2500.0)
    async with reading(story, after=seen.seq) as reader:
        assert kinds(await reader.rest()) == ["running", "queued", "running", "failed"]


async def test_story_whose_end_has_been_seen_is_over(
    store: SQLiteTaskStore, story: TaskStory
) -> None:
    await queued(store)
    await store.finish(await claimed(store), FAILED, 2500.0)
    last = (await store.events("t1"))[-1].seq
    async with reading(story, after=last) as reader:
        assert await reader.rest() == []


async def test_key_that_is_revoked_meanwhile_reads_no_further(
    store: SQLiteTaskStore,
    live: LiveHub,
    story: TaskStory,
    keys: SQLiteKeyStore,
    access: AccessService,
) -> None:
    key = ApiKey("k1", "a client", frozenset(Scope), created_at=0.0)
    await keys.add(key, digest_of("secret"))
    caller = await access.caller("secret")
    await queued(store, owner="k1")
    async with reading(story, caller=caller) as reader:
        await reader.next()
        await keys.revoke("k1", 1.0)
        await claimed(store)
        live.changed("t1")
        assert await reader.rest() == []


async def test_story_of_an_unknown_task_is_over(story: TaskStory) -> None:
    async with reading(story, "nope") as reader:
        assert await reader.rest() == []


async def test_silence_is_broken_by_a_sign_of_life(
    store: SQLiteTaskStore,
    outputs: LocalOutputStore,
    live: LiveHub,
    services: GPUServices,
    access: AccessService,
) -> None:
    await queued(store)
    tasks = TaskService(
        store,
        outputs,
        live,
        services,
        TaskDisplay(store, outputs, live, Estimates(store, services.answering)),
    )
    async with reading(TaskStory(store, live, tasks, access, 0.01)) as reader:
        told = [await reader.next() for _ in range(3)]
    assert kinds(told) == ["queued", None, None]


async def test_stop_of_the_process_ends_the_story(
    store: SQLiteTaskStore, live: LiveHub, story: TaskStory
) -> None:
    await queued(store)
    async with reading(story) as reader:
        await reader.next()
        rest = asyncio.create_task(reader.rest())
        await anyio.wait_all_tasks_blocked()
        live.close()
        assert await rest == []


async def test_number_of_the_future_does_not_hide_the_end(
    store: SQLiteTaskStore, live: LiveHub, story: TaskStory
) -> None:
    """A client may have it from another backend, or from before a backup."""
    await queued(store)
    task = await claimed(store)
    async with reading(story, after=10**15) as reader:
        rest = asyncio.create_task(reader.rest())
        await anyio.wait_all_tasks_blocked()
        await store.finish(task, FAILED, 2500.0)
        live.changed("t1", ended=True)
        assert kinds(await rest) == ["queued", "running", "failed"]


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_failure_that_a_retry_has_overcome_is_not_told(
    store: SQLiteTaskStore, story: TaskStory, after: int
) -> None:
    """Whoever hears of an end stops reading."""
    await queued(store)
    await retried(store)
    async with reading(story, after=after) as reader:
        told = await reader.next()
    assert told is not None
    assert (told.kind, told.seq) == ("queued", 4)
