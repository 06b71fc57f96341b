"""`GET /tasks`."""

import httpx
import pytest

from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.serving import ended


async def post(client: httpx.AsyncClient, mode: str = "free") -> str:
    task_id: str = (await client.post("/generate", json={"mode": mode})).json()["task_id"]
    return task_id


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    return [task["task_id"] for task in (await client.get(f"/tasks{query}")).json()["tasks"]]


async def test_there_are_none_at_first(client: httpx.AsyncClient) -> None:
    assert (await client.get("/tasks")).json() == {"tasks": [], "next_cursor": None}


async def test_newest_come_first_without_their_images(client: httpx.AsyncClient) -> None:
    made = [await post(client) for _ in range(3)]
    for task_id in made:
        await ended(client, task_id)
    listed = (await client.get("/tasks")).json()["tasks"]
    assert [task["task_id"] for task in listed] == made[::-1]
    assert {task["image"] for task in listed} == {None}
    assert listed[0]["outputs"][0]["url"] == f"/tasks/{made[2]}/outputs/0"


async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    made = [await post(client) for _ in range(5)]
    found: list[str] = []
    url: str | None = "/tasks?limit=2&mode=free"
    while url is not None:
        reply = await client.get(url)
        found += [task["task_id"] for task in reply.json()["tasks"]]
        url = reply.links.get("next", {}).get("url")
        assert (url is None) is (reply.json()["next_cursor"] is None)
    assert found == made[::-1]


async def test_filters_narrow_it_down(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.answers(lambda job: job.fail(detail="no"))
    failed = await post(client)
    await ended(client, failed)
    done = await post(client, "other")
    await ended(client, done)
    gpu.always(FakeJob.start)
    running = await post(client)
    assert await ids(client, "?status=failed") == [failed]
    assert await ids(client, "?status=failed&status=done") == [done, failed]
    assert await ids(client, "?mode=free") == [running, failed]
    assert await ids(client, "?mode=free&status=done") == []


@pytest.mark.parametrize("cursor", ["x", "", "-1", "0", "1" * 30, "1%00", "\u0661"])
async def test_cursor_that_is_none_is_named(client: httpx.AsyncClient, cursor: str) -> None:
    reply = await client.get(f"/tasks?cursor={cursor}")
    assert (reply.status_code, reply.json()["parameter"]) == (422, "cursor")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "status=odd"])
async def test_what_cannot_be_asked_for_is_422(client: httpx.AsyncClient, query: str) -> None:
    reply = await client.get(f"/tasks?{query}")
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_error")
