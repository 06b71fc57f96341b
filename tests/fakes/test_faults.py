"""Each fault does what it says, and ends when it says."""

import io
import time

import httpx
import pytest
from PIL import Image
from websockets.exceptions import InvalidStatus

from tests.fakes.client import Client, Listener, fresh, listening
from tests.fakes.graphs import image_graph, sampling_graph, save


async def finished(client: Client, prompt_id: str) -> None:
    await client.until(lambda: prompt_id in client.fake.executed_prompts)


def ended(listener: Listener) -> bool:
    return any(data["node"] is None for data in listener.of_type("executing"))


async def test_refuse_ws_answers_the_handshake_with_403() -> None:
    async with fresh(faults=["refuse_ws:once"]) as client:
        with pytest.raises(InvalidStatus) as refused:
            async with listening(client.fake, "tester"):
                pass
        assert refused.value.response.status_code == 403
        async with listening(client.fake, "tester") as listener:
            assert listener.types() == ["status"]


async def test_drop_ws_closes_the_socket_and_the_job_goes_on() -> None:
    async with fresh(faults=["drop_ws:once"]) as client:
        async with listening(client.fake, "tester") as listener:
            prompt_id = await client.submit(sampling_graph())
            await client.until(lambda: listener.closed)
            await finished(client, prompt_id)
        assert listener.of_type("progress")
        assert not listener.of_type("execution_success")
        assert client.fake.open_sockets == 0
        assert (await client.history(prompt_id))["status"]["completed"]


async def test_freeze_ws_leaves_the_socket_open_and_silent() -> None:
    async with fresh(faults=["freeze_ws:once"]) as client:
        async with listening(client.fake, "tester") as listener:
            await finished(client, await client.submit(sampling_graph()))
            await finished(client, await client.submit(image_graph()))
            assert not ended(listener)
            assert not listener.closed
            assert client.fake.open_sockets == 1
        async with listening(client.fake, "tester") as listener:
            await client.submit(image_graph("again"))
            await client.until(lambda: ended(listener))


async def test_no_executed_event_leaves_the_result_to_the_history() -> None:
    async with fresh(faults=["no_executed_event"]) as client:
        async with listening(client.fake, "tester") as listener:
            entry = await client.run(image_graph())
            await client.until(lambda: ended(listener))
        assert not listener.of_type("executed")
        assert entry["outputs"]["2"]["images"]


async def test_duplicate_events_sends_each_twice() -> None:
    async with fresh(faults=["duplicate_events"]) as client:
        async with listening(client.fake, "tester") as listener:
            await client.submit(image_graph())
            await client.until(lambda: listener.types()[-2:] == ["executing", "executing"])
            await client.until(lambda: ended(listener))
        assert len(listener.of_type("executed")) == 2
        assert len(listener.of_type("execution_success")) == 2


async def test_restart_forgets_all_but_the_files() -> None:
    async with fresh() as client:
        entry = await client.run(image_graph("before"))
        client.fake.faults.set("restart", count=1)
        async with listening(client.fake, "tester") as listener:
            lost = await client.submit(sampling_graph())
            await client.until(lambda: listener.closed)
        assert (await client.http.get("/history")).json() == {}
        assert (await client.http.get("/queue")).json() == {
            "queue_running": [],
            "queue_pending": [],
        }
        assert (await client.view(entry, "2")).size == (64, 48)
        assert not listener.of_type("execution_interrupted")
        again = await client.run(sampling_graph())
        assert again["prompt"][0] == 0
        assert lost not in client.fake.executed_prompts


async def test_hang_lasts_until_interrupted() -> None:
    async with fresh(faults=["hang:once"]) as client:
        async with listening(client.fake, "tester") as listener:
            prompt_id = await client.submit(sampling_graph())
            await client.until(lambda: {"node": "3"}.items() <= _at(listener).items())
            assert not listener.of_type("progress")
            await client.http.post("/interrupt", json={"prompt_id": prompt_id})
            await client.until(lambda: ended(listener))
        assert listener.of_type("execution_interrupted")[0]["node_id"] == "3"
        assert (await client.run(sampling_graph()))["status"]["completed"]


def _at(listener: Listener) -> dict[str, object]:
    return (listener.of_type("executing") or [{}])[-1]


async def test_hang_goes_on_when_cleared() -> None:
    async with fresh(faults=["hang"]) as client:
        prompt_id = await client.submit(image_graph())
        await client.until(lambda: client.fake.queue.running is not None)
        client.fake.faults.clear("hang")
        await finished(client, prompt_id)
        assert (await client.history(prompt_id))["status"]["completed"]


async def test_hang_deaf_outlasts_an_interrupt() -> None:
    async with fresh(faults=["hang_deaf"]) as client:
        prompt_id = await client.submit(image_graph())
        await client.until(lambda: client.fake.queue.running is not None)
        await client.http.post("/interrupt")
        await client.http.post("/queue", json={"delete": [prompt_id]})
        assert (await client.http.get("/queue")).json()["queue_running"][0][1] == prompt_id
        client.fake.faults.clear()
        await finished(client, prompt_id)
        assert (await client.history(prompt_id))["status"]["status_str"] == "error"


async def test_oom_is_an_execution_error_with_torchs_name() -> None:
    async with fresh(faults=["oom:once"]) as client:
        async with listening(client.fake, "tester") as listener:
            entry = await client.run(sampling_graph())
            await client.until(lambda: ended(listener))
        assert entry["status"]["status_str"] == "error"
        kind, error = entry["status"]["messages"][-1]
        assert kind == "execution_error"
        assert error["exception_type"] == "torch.OutOfMemoryError"
        assert (error["node_id"], error["node_type"]) == ("3", "KSampler")
        assert listener.of_type("execution_error") == [error]
        assert (await client.run(sampling_graph()))["status"]["completed"]


async def test_execution_error_fails_the_job() -> None:
    async with fresh(faults=["execution_error:once"]) as client:
        entry = await client.run(image_graph())
        error = entry["status"]["messages"][-1][1]
        assert (entry["status"]["completed"], entry["outputs"]) == (False, {})
        assert (error["exception_type"], error["node_id"]) == ("RuntimeError", "1")
        assert error["traceback"]


async def test_error_inside_success_hides_the_error_among_the_messages() -> None:
    async with fresh(faults=["error_inside_success:once"]) as client:
        entry = await client.run(image_graph())
        assert entry["status"]["status_str"] == "success"
        assert entry["status"]["completed"] is True
        kinds = [kind for kind, _ in entry["status"]["messages"]]
        assert kinds == ["execution_start", "execution_cached", "execution_error"]
        assert entry["outputs"] == {}


async def test_late_history_comes_after_the_success() -> None:
    async with (
        fresh(faults=["late_history=0.1"]) as client,
        listening(client.fake, "tester") as listener,
    ):
        prompt_id = await client.submit(image_graph())
        await client.until(lambda: bool(listener.of_type("execution_success")))
        assert await client.history(prompt_id) == {}
        assert (await client.http.get("/queue")).json()["queue_running"]
        await client.until(lambda: ended(listener))
        assert await client.history(prompt_id)


async def test_node_errors_drops_the_last_output() -> None:
    async with fresh(faults=["node_errors:once"]) as client:
        graph = {**image_graph(), "3": save("1", "other")}
        answer = await client.post_prompt(graph)
        assert answer.status_code == 200
        assert answer.json()["node_errors"]["3"]["dependent_outputs"] == ["3"]
        prompt_id = answer.json()["prompt_id"]
        await finished(client, prompt_id)
        assert list((await client.history(prompt_id))["outputs"]) == ["2"]


async def test_lost_prompt_is_accepted_and_nowhere() -> None:
    async with fresh(faults=["lost_prompt:once"]) as client:
        lost = await client.submit(image_graph())
        assert (await client.run(image_graph()))["status"]["completed"]
        assert await client.history(lost) == {}
        assert client.fake.queue.remaining == 0


async def test_slow_prompt_is_queued_before_it_is_answered() -> None:
    async with fresh(faults=["slow_prompt=0.4:once"]) as client:
        prompt_id = "3e7e9b54-2a3f-4b6a-9d43-6a8ff1f3c0de"
        body = {"prompt": image_graph(), "prompt_id": prompt_id}
        with pytest.raises(httpx.ReadTimeout):
            await client.http.post("/prompt", json=body, timeout=0.1)
        await finished(client, prompt_id)


async def test_slow_view_takes_its_time() -> None:
    async with fresh(faults=["slow_view=0.1:once"]) as client:
        entry = await client.run(image_graph())
        begun = time.monotonic()
        await client.view(entry, "2")
        assert time.monotonic() - begun >= 0.1


async def test_corrupt_image_cannot_be_read() -> None:
    async with fresh(faults=["corrupt_image:once"]) as client:
        entry = await client.run(sampling_graph())
        named = entry["outputs"]["9"]["images"][0]
        answer = await client.http.get("/view", params=named)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        with Image.open(io.BytesIO(answer.content)) as image, pytest.raises(OSError):
            image.load()
        assert (await client.view(entry, "9")).size == (64, 64)


async def test_view_404_hides_the_output() -> None:
    async with fresh(faults=["view_404:once"]) as client:
        entry = await client.run(image_graph())
        named = entry["outputs"]["2"]["images"][0]
        assert (await client.http.get("/view", params=named)).status_code == 404
        assert (await client.http.get("/view", params=named)).status_code == 200


async def test_previews_carry_metadata_for_who_can_read_it() -> None:
    async with fresh(faults=["previews"]) as client:
        features = {"supports_preview_metadata": True}
        async with listening(client.fake, "tester", features) as listener:
            await client.submit(sampling_graph(size=(128, 64)))
            await client.until(lambda: ended(listener))
        assert len(listener.frames) == 4
        assert {frame[:4] for frame in listener.frames} == {b"\0\0\0\4"}
        length = int.from_bytes(listener.frames[0][4:8], "big")
        with Image.open(io.BytesIO(listener.frames[0][8 + length :])) as image:
            assert (image.format, image.size) == ("JPEG", (64, 32))


async def test_previews_are_plain_for_the_rest() -> None:
    async with fresh(faults=["previews"]) as client:
        async with listening(client.fake, "tester") as listener:
            await client.submit(sampling_graph())
            await client.until(lambda: ended(listener))
        assert {frame[:8] for frame in listener.frames} == {b"\0\0\0\1\0\0\0\1"}


async def test_slow_steps_take_their_time_while_the_fault_is_on() -> None:
    async with fresh(faults=["slow_steps=0.05"]) as client:
        begun = time.monotonic()
        await client.run(sampling_graph("slow"))
        assert time.monotonic() - begun >= 4 * 0.05
        client.fake.faults.set("slow_steps", value=60.0)
        client.fake.faults.clear("slow_steps")
        await client.run(sampling_graph("quick", text="another"))
