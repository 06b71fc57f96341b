"""The story of a job, for whoever reads along, now or later."""

import asyncio

from gpu_server.services.event_log import EventKind, EventLog, JobEvent


async def told(log: EventLog, after: int = 0) -> list[tuple[int, EventKind]]:
    return [(event.number, event.kind) async for event in log.read(after)]


async def test_late_reader_is_told_all_that_counts() -> None:
    log = EventLog()
    for kind in (EventKind.STARTED, EventKind.OUTPUT, EventKind.OUTPUT, EventKind.DONE):
        log.append(kind, {})
    assert await told(log) == [
        (1, EventKind.STARTED),
        (2, EventKind.OUTPUT),
        (3, EventKind.OUTPUT),
        (4, EventKind.DONE),
    ]


async def test_late_reader_is_told_the_newest_of_what_passes() -> None:
    log = EventLog()
    for kind in [EventKind.PROGRESS, EventKind.PREVIEW, EventKind.QUEUED] * 50:
        log.append(kind, {})
    log.append(EventKind.DONE, {})
    assert [number for number, _ in await told(log)] == [148, 149, 150, 151]


async def test_reader_waits_for_what_comes() -> None:
    log = EventLog()
    reading = asyncio.create_task(told(log))
    await asyncio.sleep(0)
    log.append(EventKind.STARTED, {})
    await asyncio.sleep(0)
    log.append(EventKind.DONE, {})
    assert await reading == [(1, EventKind.STARTED), (2, EventKind.DONE)]


async def test_reader_who_comes_back_is_told_what_came_since() -> None:
    log = EventLog()
    for kind in (EventKind.STARTED, EventKind.OUTPUT, EventKind.DONE):
        log.append(kind, {})
    assert await told(log, after=2) == [(3, EventKind.DONE)]


async def test_each_reader_reads_at_its_own_speed() -> None:
    log = EventLog()
    log.append(EventKind.STARTED, {})
    slow, quick = log.read(), asyncio.create_task(told(log))
    assert await anext(slow) == JobEvent(1, EventKind.STARTED, {})
    log.append(EventKind.OUTPUT, {})
    log.append(EventKind.DONE, {})
    assert len(await quick) == 3
    assert [event.number async for event in slow] == [2, 3]


async def test_closing_ends_readers_though_the_job_has_not_ended() -> None:
    log = EventLog()
    reading = asyncio.create_task(told(log))
    await asyncio.sleep(0)
    log.append(EventKind.STARTED, {})
    log.close()
    assert await reading == [(1, EventKind.STARTED)]
    assert await told(log) == [(1, EventKind.STARTED)]
