"""Waking those who wait for a task to end."""

from backend.services.task_ends import TaskEnds


def test_announced_end_is_heard_by_all_who_wait() -> None:
    ends = TaskEnds()
    with ends.watch("t1") as first, ends.watch("t1") as second:
        ends.announce("t1")
        assert (first.is_set(), second.is_set()) == (True, True)


def test_end_of_another_task_is_not_heard() -> None:
    ends = TaskEnds()
    with ends.watch("t1") as event:
        ends.announce("t2")
        assert not event.is_set()


def test_end_before_the_watch_is_not_heard() -> None:
    ends = TaskEnds()
    ends.announce("t1")
    with ends.watch("t1") as event:
        assert not event.is_set()


def test_who_has_left_hears_nothing() -> None:
    ends = TaskEnds()
    with ends.watch("t1") as event:
        pass
    ends.announce("t1")
    assert not event.is_set()


def test_closing_ends_every_wait() -> None:
    ends = TaskEnds()
    with ends.watch("t1") as first, ends.watch("t2") as second:
        ends.close()
        assert (first.is_set(), second.is_set()) == (True, True)


def test_closed_hub_lets_nobody_wait() -> None:
    ends = TaskEnds()
    ends.close()
    with ends.watch("t1") as event:
        assert event.is_set()
