"""What happens to tasks right now, for whoever watches."""

from contextlib import ExitStack

import pytest

from backend.services.live import LiveHub, LiveProgress, Preview
from tests.conditions import eventually

HALF = LiveProgress(0.5, "KSampler")
PICTURE = Preview("image/jpeg", "aGk=")


class Recorder:
    """A relay that notes what it is to take along."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def progressed(self, task_id: str, progress: LiveProgress) -> None:
        self.told.append((task_id, progress))

    def previewed(self, task_id: str, preview: Preview) -> None:
        self.told.append((task_id, preview))


def test_end_is_heard_by_all_who_wait(live: LiveHub) -> None:
    with live.watch("t1") as first, live.watch("t1") as second:
        live.changed("t1", ended=True)
        assert (first.ended.is_set(), second.ended.is_set()) == (True, True)


def test_end_of_another_task_is_not_heard(live: LiveHub) -> None:
    with live.watch("t1") as watch:
        live.changed("t2", ended=True)
        assert not (watch.ended.is_set() or watch.woken.is_set())


def test_end_before_the_watch_is_not_heard(live: LiveHub) -> None:
    live.changed("t1", ended=True)
    with live.watch("t1") as watch:
        assert not watch.ended.is_set()


def test_who_has_left_hears_nothing(live: LiveHub) -> None:
    with live.watch("t1") as watch:
        pass
    live.changed("t1", ended=True)
    assert not watch.ended.is_set()


def test_who_stays_hears_though_another_has_left(live: LiveHub) -> None:
    with live.watch("t1") as stays:
        with live.watch("t1"):
            pass
        live.changed("t1", ended=True)
        assert stays.ended.is_set()


def test_closing_ends_every_wait(live: LiveHub) -> None:
    with live.watch("t1") as first, live.watch("t2") as second:
        live.close()
        assert (first.ended.is_set(), second.ended.is_set()) == (True, True)
        assert (first.woken.is_set(), second.woken.is_set()) == (True, True)


def test_closed_hub_lets_nobody_wait(live: LiveHub) -> None:
    live.close()
    with live.watch("t1") as watch:
        assert watch.ended.is_set()
        assert watch.woken.is_set()
    assert live.closed


def test_change_that_is_no_end_wakes_and_ends_nothing(live: LiveHub) -> None:
    with live.watch("t1") as watch:
        live.changed("t1")
        assert (watch.woken.is_set(), watch.ended.is_set()) == (True, False)


def test_newest_progress_and_preview_are_there_to_be_looked_at(live: LiveHub) -> None:
    live.progressed("t1", LiveProgress(0.1))
    live.progressed("t1", HALF)
    live.previewed("t1", PICTURE)
    assert (live.progress("t1"), live.preview("t1")) == (HALF, PICTURE)
    assert (live.progress("t2"), live.preview("t2")) == (None, None)


def test_progress_and_previews_wake_who_watches(live: LiveHub) -> None:
    with live.watch("t1") as watch:
        live.progressed("t1", HALF)
        assert watch.woken.is_set()
        watch.woken.clear()
        live.previewed("t1", PICTURE)
        assert (watch.woken.is_set(), watch.ended.is_set()) == (True, False)


@pytest.mark.parametrize("ended", [False, True])
def test_change_of_state_makes_progress_and_previews_history(live: LiveHub, ended: bool) -> None:
    live.progressed("t1", HALF)
    live.previewed("t1", PICTURE)
    live.changed("t1", ended=ended)
    assert (live.progress("t1"), live.preview("t1")) == (None, None)


def test_everybody_is_woken_to_look_again(live: LiveHub) -> None:
    with live.watch("t1") as first, live.watch("t2") as second:
        live.wake_all()
        assert (first.woken.is_set(), second.woken.is_set()) == (True, True)
        assert (first.ended.is_set(), second.ended.is_set()) == (True, True)


def test_task_that_somebody_watches_is_known(live: LiveHub) -> None:
    with live.watch("t1"):
        assert (live.is_watched("t1"), live.is_watched("t2")) == (True, False)
    assert not live.is_watched("t1")


def test_relay_takes_along_what_passes_by(live: LiveHub) -> None:
    relay = Recorder()
    live.relay = relay
    live.progressed("t1", HALF)
    live.previewed("t1", PICTURE)
    live.changed("t1", ended=True)
    assert relay.told == [("t1", HALF), ("t1", PICTURE)]


async def test_thousands_are_woken_by_and_by_and_none_is_missed() -> None:
    hub = LiveHub()
    with ExitStack() as stack:
        watches = [stack.enter_context(hub.watch("t1")) for _ in range(1000)]
        for watch in watches:
            watch.stale = False
        hub.changed("t1", ended=True)
        woken = sum(watch.woken.is_set() for watch in watches)
        assert 0 < woken < 1000
        await eventually(lambda: all(each.woken.is_set() and each.stale for each in watches))
        assert all(watch.ended.is_set() for watch in watches)
