"""`POST /generate` whose client does not wait for the answer."""

import asyncio

import httpx
import pytest

from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.served import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"workflow": "selftest", "params": {}}


async def hang_up(request: "asyncio.Task[httpx.Response]") -> None:
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)


async def test_job_of_a_client_that_hangs_up_is_taken_out_of_comfyui(
    each_idle_fake: FakeComfyUI,
) -> None:
    """Nobody knows its id, so nobody can come back for it."""
    each_idle_fake.faults.set("hang")
    async with served(each_idle_fake.url) as http:
        request = asyncio.create_task(http.post("/generate", json=BODY))
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        await hang_up(request)
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0, 2)


async def test_client_that_hangs_up_leaves_its_slot(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang")
    async with served(idle_fake.url) as http:
        for _ in range(3):
            request = asyncio.create_task(http.post("/generate", json=BODY))
            await idle_fake.until(lambda: idle_fake.queue.running is not None)
            await hang_up(request)
            await idle_fake.until(lambda: idle_fake.queue.remaining == 0)
        idle_fake.faults.clear()
        assert (await http.post("/generate", json=BODY)).json()["status"] == "done"


async def test_client_that_hangs_up_while_it_waits_for_a_slot_takes_none(
    idle_fake: FakeComfyUI,
) -> None:
    idle_fake.faults.set("hang")
    async with served(idle_fake.url) as http:
        waiting = [asyncio.create_task(http.post("/generate", json=BODY)) for _ in range(3)]
        await idle_fake.until(lambda: len(idle_fake.prompts) == 2)
        await hang_up(waiting[2])
        idle_fake.faults.clear()
        for request in waiting[:2]:
            assert (await request).json()["status"] == "done"
        await eventually(lambda: idle_fake.queue.remaining == 0)
    assert len(idle_fake.prompts) == 2
