"""`POST /generate` with the engine that runs workflows: what goes wrong on the way."""

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest

from tests import plain_http
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.comfyui.freezing import freezing_proxy
from tests.gpu_server.serving import NOBODY, Service, picture, problem, running
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = 0.4
"""Seconds that a job may take which is to take too long."""
SMALL = {"prompt": "x", "width": 64, "height": 64, "steps": 2}


def failed(reply: httpx.Response) -> str:
    """Why a job that ran has failed: an answer of the specification's shape, not a refusal."""
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert (answer["status"], answer["image"]) == ("failed", None)
    return str(answer["error"])


def started(service: Service, fake: FakeComfyUI) -> "asyncio.Task[httpx.Response]":
    """A request that hangs in ComfyUI once it is there."""
    fake.faults.set("hang")
    return asyncio.create_task(service.generate("free_generation", **SMALL))


async def submit_another(fake: FakeComfyUI) -> str:
    """Somebody else's job."""
    graph = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "z"}},
    }
    async with plain_http.AsyncClient(base_url=fake.url) as http:
        reply = await http.post("/prompt", json={"prompt": graph})
        return str(reply.json()["prompt_id"])


def running_job(fake: FakeComfyUI) -> str | None:
    return fake.queue.running.prompt_id if fake.queue.running else None


async def interrupt(fake: FakeComfyUI) -> None:
    async with plain_http.AsyncClient(base_url=fake.url) as http:
        await http.post("/interrupt")


async def test_node_that_fails_is_named_with_its_title(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("execution_error")
    async with running(each_idle_fake.url) as service:
        error = failed(await service.generate("free_generation", **SMALL))
    assert "3" in error
    assert "Sampler" in error
    assert "The fake was told to fail here." in error
    assert "Traceback" not in error


async def test_node_without_a_title_is_named_with_its_class(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    graph = json.loads((workflows / "selftest.json").read_text())
    del graph["1"]["_meta"]
    (workflows / "selftest.json").write_text(json.dumps(graph))
    idle_fake.faults.set("execution_error")
    async with running(idle_fake.url, workflows_path=workflows) as service:
        error = failed(await service.generate("selftest"))
    assert "1" in error
    assert "EmptyImage" in error


async def test_failure_that_comfyui_calls_a_success_is_a_failure(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("error_inside_success")
    async with running(each_idle_fake.url) as service:
        error = failed(await service.generate("free_generation", **SMALL))
    assert "Dependency cycle detected" in error


async def test_running_out_of_memory_is_a_failure_that_says_so(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("oom")
    async with running(idle_fake.url) as service:
        assert "memory" in failed(await service.generate("free_generation", **SMALL))


async def test_job_that_somebody_interrupts_has_failed(each_idle_fake: FakeComfyUI) -> None:
    async with running(each_idle_fake.url) as service:
        request = started(service, each_idle_fake)
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        await interrupt(each_idle_fake)
        assert "interrupted" in failed(await request)


async def test_next_job_after_a_failure_succeeds(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("execution_error", count=1)
    async with running(idle_fake.url) as service:
        failed(await service.generate("free_generation", **SMALL))
        picture(await service.generate("free_generation", **SMALL))


async def test_comfyui_away_is_503_with_retry_after_and_what_to_do() -> None:
    async with running(NOBODY) as service:
        reply = await service.generate("selftest")
    document = problem(reply, 503, "comfyui_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert document["retryable"] is True
    assert NOBODY in document["detail"]
    assert "COMFYUI_API_URL" in document["detail"]


@pytest.mark.parametrize("url", ["http://a..b:8188", "http://localhost:port", "localhost:8188", ""])
async def test_address_that_is_none_is_comfyui_away(url: str) -> None:
    async with running(url) as service:
        problem(await service.generate("selftest"), 503, "comfyui_unavailable")


async def test_comfyui_that_comes_later_is_used() -> None:
    port = free_port()
    async with running(f"http://127.0.0.1:{port}") as service:
        problem(await service.generate("selftest"), 503, "comfyui_unavailable")
        async with running_fake(port=port):
            picture(await service.generate("selftest"))


@pytest.mark.parametrize("fault", ["duplicate_events", "late_history", "previews", "slow_view"])
async def test_job_is_done_where_comfyui_is_slow_or_says_much(
    idle_fake: FakeComfyUI, fault: str
) -> None:
    idle_fake.faults.set(fault, value=0.2)
    async with running(idle_fake.url) as service:
        picture(await service.generate("free_generation", **SMALL))


async def test_socket_of_a_dead_network_holds_no_answer_up(idle_fake: FakeComfyUI) -> None:
    """A peer that is gone without a word answers no closing handshake either."""
    async with freezing_proxy(idle_fake.url) as proxy, running(proxy.url) as service:
        request = started(service, idle_fake)
        await idle_fake.until(lambda: idle_fake.queue.running is not None)
        proxy.freeze_sockets()
        idle_fake.faults.clear()
        picture(await asyncio.wait_for(request, 6))


async def test_job_is_followed_over_an_answer_that_nobody_can_use(idle_fake: FakeComfyUI) -> None:
    """A proxy in front of ComfyUI answers 502 for a while; the job goes on behind it."""
    async with freezing_proxy(idle_fake.url) as proxy, running(proxy.url) as service:
        request = started(service, idle_fake)
        await idle_fake.until(lambda: idle_fake.queue.running is not None)
        proxy.bad_gateway = True
        idle_fake.faults.clear()
        await idle_fake.until(lambda: proxy.refused > 0)
        proxy.bad_gateway = False
        picture(await request)


async def test_job_that_every_restart_of_comfyui_loses_is_lost(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("restart")
    async with running(idle_fake.url) as service:
        reply = await service.generate("free_generation", **SMALL)
    assert problem(reply, 502, "comfyui_lost_job")["retryable"] is True


async def test_image_that_comfyui_does_not_hand_out_is_a_refusal(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("view_404")
    async with running(idle_fake.url) as service:
        reply = await service.generate("selftest")
    assert reply.status_code == 502
    assert reply.json()["code"].startswith("comfyui_")


async def test_deadline_is_504_and_says_what_to_do(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url, job_timeout=SHORT) as service:
        began = time.monotonic()
        reply = await started(service, idle_fake)
    assert time.monotonic() - began < 3
    document = problem(reply, 504, "comfyui_timeout")
    assert document["retryable"] is False
    assert "JOB_TIMEOUT" in document["detail"]


async def test_deadline_takes_our_running_job_out_and_no_other(each_idle_fake: FakeComfyUI) -> None:
    async with running(each_idle_fake.url, job_timeout=SHORT) as service:
        request = started(service, each_idle_fake)
        await each_idle_fake.until(lambda: each_idle_fake.queue.running is not None)
        other = await submit_another(each_idle_fake)
        await request
    await each_idle_fake.until(lambda: running_job(each_idle_fake) == other)


async def test_deadline_takes_our_waiting_job_out_and_no_other(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("hang")
    before = await submit_another(each_idle_fake)
    async with running(each_idle_fake.url, job_timeout=SHORT) as service:
        request = started(service, each_idle_fake)
        await each_idle_fake.until(lambda: len(each_idle_fake.queue.pending) == 1)
        behind = await submit_another(each_idle_fake)
        await request
    assert running_job(each_idle_fake) == before
    assert [item.prompt_id for item in each_idle_fake.queue.pending] == [behind]
    each_idle_fake.faults.clear()
    await each_idle_fake.until(lambda: before in each_idle_fake.queue.history)
    assert each_idle_fake.queue.history[before]["status"]["status_str"] == "success"


async def test_deadline_is_kept_where_comfyui_heeds_no_interrupt(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("hang_deaf")
    async with running(idle_fake.url, job_timeout=SHORT) as service:
        problem(await service.generate("free_generation", **SMALL), 504, "comfyui_timeout")


async def test_deadline_is_kept_where_comfyui_falls_silent(idle_fake: FakeComfyUI) -> None:
    """It is stopped in the middle of the job, and stays away."""
    async with (
        freezing_proxy(idle_fake.url) as proxy,
        running(proxy.url, job_timeout=SHORT) as service,
    ):
        request = started(service, idle_fake)
        await idle_fake.until(lambda: idle_fake.queue.running is not None)
        await proxy.stop()
        problem(await request, 504, "comfyui_timeout")
