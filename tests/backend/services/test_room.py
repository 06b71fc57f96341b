"""Room on the disk."""

from pathlib import Path

import pytest

from backend.errors import StorageFull, StorageUnavailable
from backend.services.room import MB, Room


class Disk:
    """Free bytes, and how often somebody looked."""

    def __init__(self, free_mb: float) -> None:
        self.free_mb = free_mb
        self.looked: list[Path] = []
        self.now = 0.0

    def free(self, folder: Path) -> int:
        self.looked.append(folder)
        if self.free_mb < 0:
            raise OSError(5, "Input/output error")
        return int(self.free_mb * MB)

    def clock(self) -> float:
        return self.now


def room_on(disk: Disk, min_free_mb: int = 500) -> Room:
    return Room(Path("/the/data"), min_free_mb, disk.free, disk.clock)


@pytest.mark.parametrize("free_mb", [500, 100_000])
def test_disk_with_the_reserve_free_has_room(free_mb: float) -> None:
    room_on(Disk(free_mb)).check()


def test_full_disk_is_told_with_its_folder_the_free_room_and_the_setting() -> None:
    with pytest.raises(StorageFull) as raised:
        room_on(Disk(499.9)).check()
    assert raised.value.status == 507
    for told in ("/the/data", "499 MB", "500 MB", "MIN_FREE_MB"):
        assert told in raised.value.message


def test_disk_is_looked_at_once_a_second() -> None:
    disk = Disk(1000)
    room = room_on(disk)
    for disk.now in (0.0, 0.5, 0.99, 1.0, 1.5):
        room.check()
    assert disk.looked == [Path("/the/data")] * 2


def test_disk_that_fills_is_refused_within_a_second() -> None:
    disk = Disk(1000)
    room = room_on(disk)
    room.check()
    disk.free_mb, disk.now = 1, 1.0
    with pytest.raises(StorageFull):
        room.check()


def test_room_that_is_there_again_is_used_and_both_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    disk = Disk(1)
    room = room_on(disk)
    for disk.now in (0.0, 0.5, 1.0, 2.0):
        with pytest.raises(StorageFull):
            room.check()
    disk.free_mb, disk.now = 600, 3.0
    room.check()
    told = [record.message for record in caplog.records]
    assert len(told) == 2
    assert "No new task is taken" in told[0]
    assert "taken again: 600 MB are free" in told[1]


def test_without_a_reserve_nobody_looks() -> None:
    disk = Disk(0)
    room_on(disk, min_free_mb=0).check()
    assert disk.looked == []


def test_folder_that_cannot_be_looked_at_is_told_until_it_can() -> None:
    disk = Disk(-1)
    room = room_on(disk)
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="Input/output error"):
            room.check()
    disk.free_mb = 1000
    room.check()


def test_a_real_folder_is_looked_at(tmp_path: Path) -> None:
    Room(tmp_path, 1).check()
    with pytest.raises(StorageFull, match=str(tmp_path)):
        Room(tmp_path, 10**9).check()
