"""The GPU service's jobs and its catalogue, as the backend's client calls them."""

import json
from typing import Any

import httpx
import pytest
from httpx_sse import SSEError

from backend.clients.gpu_client import GPUClient
from backend.correlation import Correlation, correlated
from backend.errors import (
    GPUServiceError,
    GPUServiceRefused,
    GPUServiceUnreachable,
)
from backend.schemas.gpu_job import GPUJobEvent
from tests import plain_http
from tests.backend.clients.test_gpu_client import MAPPING, raised
from tests.backend.gpu_service import FakeJob, GPUService, at_once


async def story(client: GPUClient, *, resume: bool = False) -> list[GPUJobEvent]:
    return [event async for event in client.run_job("j1", "w", {"prompt": "ü"}, resume=resume)]


# run_job


@pytest.mark.parametrize("resume", [True, False])
async def test_job_is_put_under_its_id(
    gpu: GPUService, gpu_client: GPUClient, resume: bool
) -> None:
    await story(gpu_client, resume=resume)
    request = gpu.put.calls.last.request
    assert request.url.path == "/jobs/j1"
    assert request.headers["Accept"] == "text/event-stream"
    assert json.loads(request.content) == {
        "workflow": "w",
        "params": {"prompt": "ü"},
        "resume": resume,
    }


async def test_events_come_in_their_order(gpu: GPUService, gpu_client: GPUClient) -> None:
    def runs(job: FakeJob) -> None:
        job.start()
        job.progress(0.5, "KSampler")
        job.finish()

    gpu.answers(runs)
    events = await story(gpu_client)
    assert [event.kind for event in events] == ["started", "progress", "output", "done"]
    progress = events[1].progress
    assert progress is not None
    assert (progress.progress, progress.node_title) == (0.5, "KSampler")


async def test_end_holds_the_whole_job(gpu: GPUService, gpu_client: GPUClient) -> None:
    last = (await story(gpu_client))[-1].ended
    assert last is not None
    assert (last.id, last.state, last.values) == ("j1", "done", {"prompt": "ü"})
    assert [output.content_type for output in last.outputs] == ["text/x-placeholder"]


async def test_heartbeat_is_no_event(gpu: GPUService, gpu_client: GPUClient) -> None:
    def beats(job: FakeJob) -> None:
        job.heartbeat()
        job.start()
        job.heartbeat()
        job.heartbeat()
        job.finish()

    gpu.answers(beats)
    assert [event.kind for event in await story(gpu_client)] == ["started", "output", "done"]


async def test_connection_has_five_seconds_and_silence_forty(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    await story(gpu_client)
    timeout = gpu.put.calls.last.request.extensions["timeout"]
    assert (timeout["connect"], timeout["read"]) == (5.0, 40.0)


SILENCE = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout, httpx.TimeoutException)
EXPECTED: dict[type[httpx.HTTPError], type[GPUServiceError]] = {
    **MAPPING,
    **dict.fromkeys(SILENCE, GPUServiceError),
    SSEError: GPUServiceError,
}


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
async def test_httpx_error_before_the_answer_becomes_ours(
    gpu: GPUService, gpu_client: GPUClient, kind: type[httpx.HTTPError]
) -> None:
    gpu.answers(raised(kind))
    with pytest.raises(GPUServiceError) as caught:
        await story(gpu_client)
    assert type(caught.value) is EXPECTED[kind]
    assert isinstance(caught.value.__cause__, kind)
    assert caught.value.retryable


BREAKING = (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.DecodingError)


@pytest.mark.parametrize("kind", BREAKING, ids=lambda kind: kind.__name__)
async def test_httpx_error_amid_the_story_becomes_ours(
    gpu: GPUService, gpu_client: GPUClient, kind: type[httpx.HTTPError]
) -> None:
    def breaks(job: FakeJob) -> None:
        job.start()
        job.break_off(raised(kind))

    gpu.answers(breaks)
    events = []
    with pytest.raises(GPUServiceError) as caught:
        async for event in gpu_client.run_job("j1", "w", {}, resume=False):
            events.append(event.kind)
    assert events == ["started"]
    assert type(caught.value) is GPUServiceError
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("status", [404, 409, 422, 429, 500, 503])
async def test_refusal_keeps_the_gpu_service_s_words(
    gpu: GPUService, gpu_client: GPUClient, status: int
) -> None:
    problem = {"code": "odd", "detail": "Because.", "retryable": status == 429, "parameter": "p"}
    gpu.answers(httpx.Response(status, json=problem))
    with pytest.raises(GPUServiceRefused, match="Because") as caught:
        await story(gpu_client)
    assert (caught.value.code, caught.value.retryable) == ("odd", status == 429)
    assert caught.value.extra == {"parameter": "p"}


async def test_proxy_s_page_is_a_refusal_too(gpu: GPUService, gpu_client: GPUClient) -> None:
    gpu.answers(httpx.Response(502, text="<html>Bad gateway"))
    with pytest.raises(GPUServiceRefused, match="answered 502") as caught:
        await story(gpu_client)
    assert caught.value.retryable


UNREADABLE = {
    "no JSON": b"event: done\ndata: {\n\n",
    "nested": b"event: done\ndata: " + b"[" * 100_000 + b"\n\n",
    "no job": b"event: failed\ndata: []\n\n",
    "no number": b'event: progress\ndata: {"progress": "half"}\n\n',
}


@pytest.mark.parametrize("event", UNREADABLE.values(), ids=UNREADABLE)
async def test_event_that_cannot_be_read_raises(
    gpu: GPUService, gpu_client: GPUClient, event: bytes
) -> None:
    gpu.answers(lambda job: job.wire.put(event))
    with pytest.raises(GPUServiceError, match="events cannot be read") as caught:
        await story(gpu_client)
    assert caught.value.retryable


async def test_answer_that_is_no_story_raises(gpu: GPUService, gpu_client: GPUClient) -> None:
    gpu.answers(httpx.Response(200, json={}))
    with pytest.raises(GPUServiceError, match="events cannot be read"):
        await story(gpu_client)


async def test_reader_that_leaves_lets_go_of_the_answer(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    gpu.answers(FakeJob.start)
    events = gpu_client.run_job("j1", "w", {}, resume=False)
    assert (await anext(events)).kind == "started"
    await events.aclose()
    assert gpu.jobs[0].wire.left


async def test_url_that_is_none_is_unreachable() -> None:
    async with plain_http.AsyncClient() as http:
        with pytest.raises(GPUServiceUnreachable, match="set GPU_SERVICE_URL"):
            await story(GPUClient(http, "http://gpu:port"))


# output


async def test_output_is_its_bytes(gpu: GPUService, gpu_client: GPUClient) -> None:
    gpu.always(at_once)
    await story(gpu_client)
    assert await gpu_client.output("j1", 0) == b"dummy_base64_placeholder"


async def test_output_of_a_forgotten_job_may_be_asked_for_again(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    with pytest.raises(GPUServiceError, match="forgotten the job") as caught:
        await gpu_client.output("j1", 0)
    assert type(caught.value) is GPUServiceError
    assert caught.value.retryable


async def test_slow_output_is_asked_for_again(gpu: GPUService, gpu_client: GPUClient) -> None:
    """The job is done: it is not the one that was too slow."""
    gpu.output.side_effect = httpx.ReadTimeout("slow")
    with pytest.raises(GPUServiceError, match="slow to hand out") as caught:
        await gpu_client.output("j1", 0)
    assert caught.value.retryable


# cancel_job


async def test_cancel_deletes_the_job(gpu: GPUService, gpu_client: GPUClient) -> None:
    await story(gpu_client)
    await gpu_client.cancel_job("j1")
    assert gpu.cancelled == ["j1"]


async def test_cancel_of_an_unknown_job_raises(gpu: GPUService, gpu_client: GPUClient) -> None:
    with pytest.raises(GPUServiceRefused) as caught:
        await gpu_client.cancel_job("j1")
    assert caught.value.code == "job_not_found"


# catalogue


def asked(gpu: GPUService, header: str) -> list[str | None]:
    return [call.request.headers.get(header) for call in gpu.workflows.calls]


async def test_catalogue_that_has_not_changed_is_none(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    gpu.has({"name": "w"}, etag='"v1"')
    await gpu_client.catalogue()
    gpu.workflows.respond(304)
    assert await gpu_client.catalogue() is None
    assert asked(gpu, "If-None-Match") == [None, '"v1"']


async def test_catalogue_that_has_changed_is_read(gpu: GPUService, gpu_client: GPUClient) -> None:
    gpu.has({"name": "w"}, etag='"v1"')
    await gpu_client.catalogue()
    gpu.has({"name": "x"}, etag='"v2"')
    changed = await gpu_client.catalogue()
    assert changed is not None
    assert changed.workflows[0].name == "x"
    await gpu_client.catalogue()
    assert asked(gpu, "If-None-Match") == [None, '"v1"', '"v2"']


async def test_catalogue_without_an_etag_is_read_every_time(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    gpu.has({"name": "w"})
    assert await gpu_client.catalogue() == await gpu_client.catalogue()
    assert asked(gpu, "If-None-Match") == [None, None]


async def test_catalogue_anew_asks_comfyui_too(gpu: GPUService, gpu_client: GPUClient) -> None:
    gpu.has({"name": "w"}, etag='"v1"')
    await gpu_client.catalogue()
    await gpu_client.catalogue(anew=True)
    request = gpu.workflows.calls.last.request
    assert request.url.params["refresh"] == "true"
    assert "If-None-Match" not in request.headers
    assert request.extensions["timeout"]["read"] == 30


async def test_etag_of_a_catalogue_that_cannot_be_read_is_not_kept(
    gpu: GPUService, gpu_client: GPUClient
) -> None:
    gpu.workflows.respond(json={"engine": "other"}, headers={"ETag": '"bad"'})
    with pytest.raises(ValueError, match="Catalogue"):
        await gpu_client.catalogue()
    gpu.has({"name": "w"})
    assert await gpu_client.catalogue() is not None
    assert asked(gpu, "If-None-Match") == [None, None]


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), httpx.Response(500)], ids=str)
async def test_etag_outlives_trouble(gpu: GPUService, gpu_client: GPUClient, answer: Any) -> None:
    gpu.has({"name": "w"}, etag='"v1"')
    await gpu_client.catalogue()
    gpu.workflows.mock(side_effect=[answer])
    with pytest.raises(GPUServiceError):
        await gpu_client.catalogue()
    gpu.workflows.mock(side_effect=[httpx.Response(304)])
    assert await gpu_client.catalogue() is None


# what it is for


async def test_calls_say_what_they_are_for(gpu: GPUService, gpu_client: GPUClient) -> None:
    told = Correlation("r-1", f"00-{'ab' * 16}-{'12' * 8}-01", "t-1")
    with correlated(told):
        await story(gpu_client)
        await gpu_client.cancel_job("j1")
        await gpu_client.catalogue()
    for call in gpu.router.calls:
        assert {name: call.request.headers[name] for name in told.headers} == told.headers
    assert len(gpu.router.calls) == 3


async def test_calls_for_nobody_say_nothing(gpu: GPUService, gpu_client: GPUClient) -> None:
    await gpu_client.catalogue()
    headers = gpu.router.calls.last.request.headers
    assert not {"X-Request-ID", "X-Task-ID", "traceparent"} & set(headers)
