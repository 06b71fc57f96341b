"""`X-Request-ID`: on every answer, in every line, and on to ComfyUI."""

import httpx
import pytest
from fastapi import FastAPI

from gpu_server.correlation import told_in
from gpu_server.problems import add_error_handlers
from gpu_server.request_id import RequestId
from gpu_server.utils.logging import OneLineFormatter
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import jobs_on, new_id
from tests.gpu_server.serving import Service

NONE = "5da905e0-2cec-414d-a4b6-d92e59af60c9"
"""The id of no job."""

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE = f"00-{'ab' * 16}-{'12' * 8}-01"
TOLD = {"X-Request-ID": "r-1", "X-Task-ID": "t-1", "traceparent": TRACE}
FIELDS = {"request_id": "r-1", "task_id": "t-1", "trace_id": "ab" * 16}


@pytest.mark.parametrize("odd", ["", "a b", "a\nb", "x" * 129])
async def test_task_s_id_is_taken_where_it_is_sane(odd: str) -> None:
    assert told_in({"X-Task-ID": "t-1"}).task_id == "t-1"
    assert told_in({"X-Task-ID": odd}).task_id is None


@pytest.mark.parametrize("path", ["/health", "/jobs/none", "/nowhere", f"/jobs/{NONE}"])
async def test_answer_tells_the_id_it_came_with(stub: Service, path: str) -> None:
    reply = await stub.http.get(path, headers=TOLD)
    assert reply.headers.get_list("X-Request-ID") == ["r-1"]


async def test_bug_s_answer_has_it_too() -> None:
    app = FastAPI()
    app.add_middleware(RequestId)
    add_error_handlers(app)

    @app.get("/")
    async def fails() -> None:
        raise RuntimeError("a bug")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gpu") as http:
        reply = await http.get("/", headers=TOLD)
    assert (reply.status_code, reply.headers["X-Request-ID"]) == (500, "r-1")


async def test_comfyui_is_told_whose_job_it_is(idle_fake: FakeComfyUI) -> None:
    async with jobs_on(idle_fake.url) as jobs:
        job_id = new_id()
        await jobs.put(job_id, headers=TOLD)
        await jobs.done(job_id)
    [prompt] = idle_fake.prompts
    assert prompt.body["extra_data"] == {"gateway": FIELDS}
    [request] = idle_fake.requests_to("POST", "/prompt")
    assert {name: request.headers[name.lower()] for name in TOLD} == TOLD
    assert idle_fake.queue.history[job_id]["prompt"][3]["gateway"] == FIELDS


async def test_every_line_of_a_job_says_whose_it_is(
    idle_fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    """What is heard through the socket, too, which belongs to nobody's request."""
    async with jobs_on(idle_fake.url) as jobs:
        job_id = new_id()
        caplog.clear()
        caplog.handler.setFormatter(OneLineFormatter("%(message)s"))
        await jobs.put(job_id, headers=TOLD)
        await jobs.done(job_id)
    lines = [line for line in caplog.text.splitlines() if line.startswith(f"Job {job_id}")]
    assert len(lines) >= 6
    assert [line for line in lines if "[request_id=r-1 task_id=t-1]" not in line] == []
