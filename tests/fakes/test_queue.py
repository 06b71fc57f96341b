"""Numbers, order and cancelling."""

import asyncio

from tests.fakes.client import Client, fresh, listening
from tests.fakes.graphs import image_graph, sampling_graph


async def numbers(client: Client) -> list[float]:
    queue = (await client.http.get("/queue")).json()
    return [item[0] for item in queue["queue_pending"]]


async def test_front_and_number_decide_the_order_of_running() -> None:
    async with fresh(faults=["hang:once"]) as client:
        running = await client.submit(image_graph("a"))
        await client.until(lambda: client.fake.queue.running is not None)
        last = await client.submit(image_graph("b"))
        second = await client.submit(image_graph("c"), number=0.5)
        first = await client.submit(image_graph("d"), front=True)
        assert sorted(await numbers(client)) == [-2, 0.5, 1]
        client.fake.faults.clear()
        await client.until(lambda: len(client.fake.executed_prompts) == 4)
        assert client.fake.executed_prompts == [running, first, second, last]


async def test_pending_prompts_are_listed_in_heap_order() -> None:
    async with fresh(faults=["hang"]) as client:
        await client.submit(image_graph())
        await client.until(lambda: client.fake.queue.running is not None)
        for number in (5, 3, 4):
            await client.submit(image_graph(), number=number)
        assert await numbers(client) == [3, 5, 4]


async def test_clear_empties_the_queue_and_leaves_the_running_one() -> None:
    async with fresh(faults=["hang"]) as client:
        await client.submit(image_graph())
        await client.until(lambda: client.fake.queue.running is not None)
        await client.submit(image_graph())
        await client.http.post("/queue", json={"clear": True})
        assert (await client.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 1}}


async def test_interrupt_without_an_id_stops_what_runs() -> None:
    async with fresh(job_seconds=60) as client:
        prompt_id = await client.submit(sampling_graph())
        await client.until(lambda: client.fake.queue.running is not None)
        await client.http.post("/interrupt")
        await client.until(lambda: client.fake.executed_prompts == [prompt_id])
        messages = (await client.history(prompt_id))["status"]["messages"]
        assert messages[-1][0] == "execution_interrupted"


async def test_job_takes_its_seconds() -> None:
    async with fresh(job_seconds=0.2) as client:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await client.run(sampling_graph())
        assert loop.time() - begun >= 0.2


async def test_events_go_to_the_prompts_client_and_status_to_all() -> None:
    async with fresh() as client, listening(client.fake, "other") as other:
        await client.run(image_graph())
        await client.until(lambda: len(other.messages) == 4)
        assert set(other.types()) == {"status"}


async def test_prompt_without_a_client_tells_everyone_its_progress_alone() -> None:
    async with fresh() as client, listening(client.fake, "other") as other:
        prompt_id = await client.submit(image_graph(), client_id=None)
        await client.until(lambda: client.fake.executed_prompts == [prompt_id])
        await client.until(lambda: other.types()[-1] == "status" and len(other.messages) > 4)
        assert set(other.types()) == {"status", "progress_state"}


async def test_history_pages_and_deletes() -> None:
    async with fresh() as client:
        ids = []
        for index in range(3):
            ids.append(await client.submit(image_graph(f"p{index}")))
        await client.until(lambda: client.fake.executed_prompts == ids)
        page = (await client.http.get("/history", params={"max_items": 2})).json()
        assert list(page) == ids[1:]
        page = (await client.http.get("/history", params={"max_items": 1, "offset": 0})).json()
        assert list(page) == ids[:1]
        await client.http.post("/history", json={"delete": ids[:1]})
        assert list((await client.http.get("/history")).json()) == ids[1:]
        await client.http.post("/history", json={"clear": True})
        assert (await client.http.get("/history")).json() == {}


async def test_jobs_are_filtered_and_paged() -> None:
    async with fresh() as client:
        good = (await client.run(image_graph()))["prompt"][1]
        client.fake.faults.set("oom", count=1)
        bad = (await client.run(sampling_graph()))["prompt"][1]
        failed = (await client.http.get("/api/jobs", params={"status": "failed"})).json()
        assert [job["id"] for job in failed["jobs"]] == [bad]
        page = (await client.http.get("/api/jobs", params={"sort_order": "asc", "limit": 1})).json()
        assert [job["id"] for job in page["jobs"]] == [good]
        assert page["pagination"] == {"offset": 0, "limit": 1, "total": 2, "has_more": True}
        answer = await client.http.get("/api/jobs", params={"status": "nope"})
        assert answer.status_code == 400
        answer = await client.http.post(f"/api/jobs/{good}/cancel")
        assert answer.json() == {"cancelled": False}


async def test_newer_version_takes_only_uuids() -> None:
    async with fresh() as client:
        answer = await client.post_prompt(image_graph(), prompt_id="task-1")
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_prompt_id"
    async with fresh(version="0.3.64") as client:
        assert await client.submit(image_graph(), prompt_id="task-1") == "task-1"
