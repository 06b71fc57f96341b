"""Large parameters, kept as files."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.errors import StorageFull
from backend.heavy import LARGE
from backend.services.attachments import Attachments
from backend.store.outputs.local import LocalOutputStore
from tests.backend.making import a_task
from tests.backend.services.working import FullDisk

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
