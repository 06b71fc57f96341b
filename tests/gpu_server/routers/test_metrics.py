"""`GET /metrics`."""

import asyncio

from tests.conditions import eventually
from tests.exposition import Exported
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import jobs_of
from tests.gpu_server.serving import Service, running, serving

BUSY = "gateway_gpu_busy_seconds_total"


async def scraped(service: Service) -> Exported:
    reply = await service.http.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    return Exported(reply.text)


async def test_job_is_counted_on_its_way(fake: FakeComfyUI) -> None:
    async with running(fake.url) as service:
        jobs = jobs_of(service)
        await jobs.done(await jobs.start())
        seen = await scraped(service)
    assert seen.value("gateway_gpu_jobs_ended_total", workflow="free_generation", state="done") == 1
    assert seen.value("gateway_gpu_job_run_seconds_count", workflow="free_generation") == 1
    assert seen.value("gateway_gpu_job_wait_seconds_count", workflow="free_generation") == 1
    assert (seen.value("gateway_gpu_output_bytes_total", workflow="free_generation") or 0) > 50
    assert (seen.value(BUSY) or 0) > 0
    assert seen.value("gateway_gpu_slots") == 2
    assert seen.value("gateway_http_requests_total", method="PUT", route="/jobs/{job_id}") == 1


async def test_busy_time_grows_while_a_job_runs(fake: FakeComfyUI) -> None:
    fake.faults.set("hang")
    async with running(fake.url) as service:
        jobs = jobs_of(service)
        job_id = await jobs.start()

        async def busy() -> float:
            return (await scraped(service)).value(BUSY) or 0.0

        await eventually(busy)
        before = await busy()
        await asyncio.sleep(0.02)
        seen = await scraped(service)
        assert (seen.value(BUSY) or 0.0) > before
        assert seen.value("gateway_gpu_jobs_open", state="running") == 1
        await jobs.cancel(job_id)
        assert (await scraped(service)).value("gateway_gpu_jobs_open", state="running") == 0


async def test_job_that_runs_out_of_memory_is_counted_as_submitted_again(fake: FakeComfyUI) -> None:
    fake.faults.set("oom", count=1)
    async with running(fake.url) as service:
        jobs = jobs_of(service)
        await jobs.done(await jobs.start())
        seen = await scraped(service)
    assert seen.value("gateway_gpu_job_resubmissions_total", reason="out_of_memory") == 1


async def test_comfyui_s_memory_is_told(fake: FakeComfyUI) -> None:
    [device] = fake.system_stats["devices"]
    async with running(fake.url) as service:
        seen = await scraped(service)
    assert seen.value("gateway_comfyui_up") == 1
    for name in ("vram_total", "vram_free"):
        assert seen.value(f"gateway_comfyui_{name}_bytes", device="0") == device[name]
    for name in ("ram_total", "ram_free"):
        assert seen.value(f"gateway_comfyui_{name}_bytes") == fake.system_stats["system"][name]


async def test_what_comfyui_says_need_not_make_sense(fake: FakeComfyUI) -> None:
    fake.system_stats = {"system": 5, "devices": ["x", {"vram_total": "much", "vram_free": 7}]}
    async with running(fake.url) as service:
        seen = await scraped(service)
    assert seen.value("gateway_comfyui_vram_free_bytes", device="1") == 7
    assert seen.labels("gateway_comfyui_vram_total_bytes") == []


async def test_comfyui_that_is_away_is_told() -> None:
    async with serving() as service:
        seen = await scraped(service)
    assert seen.value("gateway_comfyui_up") == 0
    assert seen.value("gateway_check_ok", check="comfyui") == 0


async def test_however_many_ask_comfyui_is_asked_once(fake: FakeComfyUI) -> None:
    async with serving(comfyui_api_url=fake.url) as service:
        await scraped(service)
        fake.requests.clear()
        await asyncio.gather(*(scraped(service) for _ in range(10)))
    assert fake.requests_to("GET", "/system_stats") == []


async def test_stub_s_workflows_share_one_series() -> None:
    async with serving() as service:
        for name in ("made_up", "another"):
            await service.generate(name)
        seen = await scraped(service)
    assert seen.labels("gateway_gpu_jobs_ended_total") == [{"workflow": "other", "state": "done"}]
    assert seen.value("gateway_gpu_jobs_ended_total") == 2
