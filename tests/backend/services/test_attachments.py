"""Large parameters, kept as files."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.errors import StorageFull
from backend.heavy import LARGE
from backend.services.attachments import Attachments
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import GPUService
from tests.backend.making import a_task, queued
from tests.backend.services.working import FullDisk, Working, ended

IMAGE = "ab" * LARGE


@pytest.fixture
def attachments(outputs: LocalOutputStore) -> Attachments:
    return Attachments(outputs)


@pytest.mark.parametrize(
    "value",
    [
        IMAGE,
        'quoted "and"\nbroken \\ ü \U0001f600 \x00' * 50_000,
        [IMAGE, "small", IMAGE],
        ["a" * (LARGE // 2), "b" * LARGE, 7, None, {"c": [1.5]}],
        [IMAGE] * 3,
    ],
    ids=["text", "escapes", "list", "mixed", "same"],
)
async def test_large_value_is_the_same_as_json(attachments: Attachments, value: Any) -> None:
    small, attached = await attachments.detach("t1", {"prompt": "p", "image": value})
    assert small == {"prompt": "p"}
    read = await attachments.read(a_task(attachments=attached))
    assert read is not None
    assert json.loads(read["image"]) == value
    assert [(each.name, each.size) for each in attached] == [("image", len(read["image"]))]


@pytest.mark.parametrize("value", ["x" * LARGE, ["x"] * 100, {"a": IMAGE}, 7, None])
async def test_all_else_stays_where_it_is(
    attachments: Attachments, outputs: LocalOutputStore, value: Any
) -> None:
    params = {"image": value}
    assert await attachments.detach("t1", params) == (params, ())
    assert await outputs.folders() == []


async def test_lost_file_is_noticed(attachments: Attachments, outputs: LocalOutputStore) -> None:
    _, attached = await attachments.detach("t1", {"image": IMAGE, "mask": IMAGE})
    assert len(attached) == 2
    await outputs.remove("t1")
    assert await attachments.read(a_task(attachments=attached)) is None


async def test_full_disk_leaves_nothing_behind(tmp_path: Path, full_disk: FullDisk) -> None:
    outputs = LocalOutputStore(tmp_path / "full" / "outputs", full_disk.fsync)
    full_disk.full = True
    with pytest.raises(StorageFull):
        await Attachments(outputs).detach("t1", {"image": IMAGE})
    assert await outputs.folders() == []


async def test_only_what_has_attachments_is_discarded(
    attachments: Attachments, outputs: LocalOutputStore
) -> None:
    _, attached = await attachments.detach("t1", {"image": IMAGE})
    await attachments.discard(a_task("t1"))
    assert len(await outputs.folders()) == 1
    await attachments.discard(a_task("t1", attachments=attached))
    assert await outputs.folders() == []


async def test_large_parameters_are_sent_with_the_others(
    store: SQLiteTaskStore, outputs: LocalOutputStore, gpu: GPUService, working: Working
) -> None:
    params = {"prompt": "ü", "image": "A" * 300_000, "faces": ["B" * 300_000, "c"]}
    small, attached = await Attachments(outputs).detach("t1", params)
    assert len(attached) == 2
    await queued(store, params=small, attachments=attached)
    async with working():
        assert (await ended(store)).state is TaskState.DONE
    assert gpu.jobs[0].sent["params"] == params
    sent = gpu.put.calls.last.request
    assert int(sent.headers["Content-Length"]) == len(sent.content)


async def test_task_whose_files_are_gone_fails_and_says_so(
    store: SQLiteTaskStore, outputs: LocalOutputStore, gpu: GPUService, working: Working
) -> None:
    small, attached = await Attachments(outputs).detach("t1", {"image": "A" * 300_000})
    await outputs.remove("t1")
    await queued(store, params=small, attachments=attached)
    async with working():
        task = await ended(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "attachment_lost")
    assert not gpu.jobs
