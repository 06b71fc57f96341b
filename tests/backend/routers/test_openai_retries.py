"""`/v1/images/…`: orders that OpenAI's clients try again by themselves."""

import asyncio

import httpx

from tests.backend.gpu_service import GPUService, a_picture
from tests.conditions import eventually

PROMPT = {"model": "free", "prompt": "a lighthouse"}
TRIED_AGAIN = {"X-Stainless-Retry-Count": "1"}


async def order(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/v1/images/generations", json=PROMPT, headers=headers)


async def hang_up(client: httpx.AsyncClient, gpu: GPUService) -> asyncio.Event:
    """An order whose client leaves while its image is made, until the event is set."""
    released = gpu.holds()
    leaving = asyncio.create_task(order(client))
    await eventually(lambda: len(gpu.jobs) > 0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    return released


async def tasks_of(client: httpx.AsyncClient) -> int:
    return len((await client.get("/tasks")).json()["tasks"])


async def test_order_that_the_client_tries_again_is_made_once(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    released = await hang_up(images, gpu)
    again = asyncio.create_task(order(images, **TRIED_AGAIN))
    released.set()
    assert (await again).status_code == 200
    assert await tasks_of(images) == 1


async def test_another_order_like_it_is_made_anew(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    assert (await order(images)).status_code == 200
    assert (await order(images)).status_code == 200
    assert (await order(images, **TRIED_AGAIN)).status_code == 200
    assert await tasks_of(images) == 3


async def test_order_that_failed_is_made_anew(images: httpx.AsyncClient, gpu: GPUService) -> None:
    gpu.makes = []
    assert (await order(images)).status_code >= 500
    gpu.makes = [a_picture()]
    assert (await order(images, **TRIED_AGAIN)).status_code == 200
    assert await tasks_of(images) == 2
