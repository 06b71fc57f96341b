"""The GPU service over the wire: respx in its place, speaking its jobs' events."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import respx

from tests.backend.making import SERVICE_URL, picture

GPU_URL = SERVICE_URL
OTHER_URL = "http://other.test:8001"
PLACEHOLDER = "dummy_base64_placeholder"
DONE = {"status": "done", "image": PLACEHOLDER, "error": None}
"""What the specification's `POST /generate` answers."""
EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True)
class Made:
    """One file that a job made."""

    data: bytes
    content_type: str
    filename: str


def a_picture() -> Made:
    """What an image workflow makes."""
    return Made(picture(), "image/png", "gateway_00001_.png")


STUB_MADE = Made(PLACEHOLDER.encode(), "text/x-placeholder", "placeholder")
NOTHING_KNOWN = {"code": "job_not_found", "detail": "There is no such job.", "retryable": False}


class Wire(httpx.AsyncByteStream):
    """The body of an answer, as it comes: bytes, an error that breaks it off, None at its end."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.left = False
        """Whether the reader has closed it."""

    def put(self, piece: bytes | Exception | None) -> None:
        self._pieces.put_nowait(piece)

    def __aiter__(self) -> "Wire":
        return self

    async def __anext__(self) -> bytes:
        piece = await self._pieces.get()
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        self.left = True


class FakeJob:
    """A job that was put, and what the test lets happen to it."""

    def __init__(self, job_id: str, sent: dict[str, Any], makes: Sequence[Made]) -> None:
        self.id = job_id
        self.sent = sent
        self.wire = Wire()
        self.makes = list(makes)
        self.values: dict[str, Any] = dict(sent.get("params", {}))
        self.state = "queued"
        self.error: dict[str, Any] | None = None
        self._number = 0

    @property
    def outputs(self) -> list[Made]:
        return self.makes if self.state == "done" else []

    def tell(self, kind: str, **data: Any) -> None:
        """An event, encoded as the GPU service encodes it."""
        self._number += 1
        text = f"id: {self._number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
        self.wire.put(text.encode())

    def heartbeat(self) -> None:
        self.wire.put(HEARTBEAT)

    def start(self) -> None:
        self.state = "running"
        self.tell("started")

    def progress(self, value: float, node: str | None = None) -> None:
        self.tell("progress", progress=value, node_id="3", node_title=node)

    def finish(self) -> None:
        self.state = "done"
        for number in range(len(self.makes)):
            self.tell("output", **self._output(number))
        self.end("done")

    def fail(self, **problem: Any) -> None:
        """It has failed on the GPU, for this reason."""
        self.state = "failed"
        self.error = {"code": "comfyui_lost_job", "detail": "ComfyUI restarted.", **problem}
        self.end("failed")

    def cancel(self) -> None:
        self.state = "cancelled"
        self.end("cancelled")

    def break_off(self, error: Exception | None = None) -> None:
        """The connection is lost; the job may go on."""
        self.wire.put(error or httpx.ReadError("broke off"))

    def hang_up(self) -> None:
        """The answer ends before the job does: the GPU service stops."""
        self.wire.put(None)

    def document(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "workflow": self.sent.get("workflow"),
            "state": self.state,
            "progress": 1.0 if self.state == "done" else 0.0,
            "values": self.values,
            "outputs": [self._output(number) for number in range(len(self.outputs))],
            "error": self.error,
        }

    def _output(self, number: int) -> dict[str, Any]:
        made = self.makes[number]
        return {
            "number": number,
            "node_id": "9",
            "filename": made.filename,
            "content_type": made.content_type,
            "size": len(made.data),
            "url": f"/jobs/{self.id}/outputs/{number}",
        }

    def end(self, kind: str) -> None:
        """The last event, and the answer's end."""
        self.tell(kind, **self.document())
        self.wire.put(None)


Answer = httpx.Response | Exception | Callable[[FakeJob], None]
"""What a PUT gets: a refusal, a broken connection, or a job to which this happens."""


def at_once(job: FakeJob) -> None:
    job.start()
    job.finish()


class GPUService:
    """respx in the GPU service's place; with the stub engine, until told otherwise."""

    def __init__(self, router: respx.MockRouter, url: str = GPU_URL) -> None:
        job = rf"^{url}/jobs/(?P<job_id>[^/]+)"
        self.router = router
        self.health = router.get(f"{url}/health")
        self.health.respond(json={"status": "degraded", "comfyui_available": False})
        self.workflows = router.get(f"{url}/workflows")
        self.workflows.respond(json={"engine": "stub", "workflows": []})
        self.generate = router.post(f"{url}/generate")
        self.generate.respond(json=DONE)
        self.put = router.put(url__regex=rf"{job}$")
        self.put.side_effect = self._put
        self.delete = router.delete(url__regex=rf"{job}$")
        self.delete.side_effect = self._delete
        self.output = router.get(url__regex=rf"{job}/outputs/(?P<number>\d+)$")
        self.output.side_effect = self._output
        self.gate = asyncio.Event()
        """What PUTs wait for before they are answered; open until the test clears it."""
        self.gate.set()
        self.arrived: list[str] = []
        """The ids of PUTs, answered or not."""
        self.jobs: list[FakeJob] = []
        """What was put and taken, in order: an id that came twice is there twice."""
        self.cancelled: list[str] = []
        """The ids of DELETEs."""
        self.makes: list[Made] = [STUB_MADE]
        self.forgets_one_output = False
        """It has been started anew just before the next output is fetched."""
        self._next: list[Answer] = []
        self._then: Answer = at_once

    def goes_away(self) -> None:
        """Nothing of it answers."""
        refused = httpx.ConnectError("refused")
        self.always(refused)
        for route in (self.health, self.workflows, self.delete, self.output):
            route.side_effect = refused

    def has(self, *entries: dict[str, Any], etag: str | None = None) -> None:
        """A ComfyUI engine with this catalogue."""
        catalogue = {"engine": "comfyui", "workflows": list(entries)}
        self.workflows.respond(json=catalogue, headers={"ETag": etag} if etag else {})

    def has_workflows(self, *names: str, **properties: dict[str, Any]) -> None:
        """A ComfyUI engine with these workflows; all take these parameters, or many."""
        known = properties or {name: {} for name in MANY}
        self.has(*({"name": name, "parameters": schema(**known)} for name in names))

    def holds_workflows(self, *names: str, **properties: dict[str, Any]) -> asyncio.Event:
        """From now on it has these workflows, and says so only once the event is set."""
        self.has_workflows(*names, **properties)
        released, said = asyncio.Event(), self.workflows.return_value
        assert said is not None

        async def answer(_: httpx.Request) -> httpx.Response:
            await released.wait()
            return httpx.Response(200, content=said.content)

        self.workflows.side_effect = answer
        return released

    def answers(self, *answers: Answer) -> None:
        """What the next PUTs get, one after the other; then comes what is usual."""
        self._next.extend(answers)

    def always(self, answer: Answer) -> None:
        """What is usual from now on."""
        self._then = answer

    def holds(self) -> asyncio.Event:
        """From now on jobs start, and end only once the event is set."""
        released = asyncio.Event()
        waiting: set[asyncio.Task[None]] = set()

        async def finish(job: FakeJob) -> None:
            await released.wait()
            if job.state == "running":
                job.finish()

        def answer(job: FakeJob) -> None:
            job.start()
            waiting.add(asyncio.ensure_future(finish(job)))

        self.always(answer)
        return released

    async def _put(self, request: httpx.Request, job_id: str) -> httpx.Response:
        self.arrived.append(job_id)
        await self.gate.wait()
        job = FakeJob(job_id, json.loads(request.content), self.makes)
        answer = self._next.pop(0) if self._next else self._then
        if isinstance(answer, httpx.Response):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )
        if isinstance(answer, Exception):
            raise answer
        self.jobs.append(job)
        answer(job)
        return httpx.Response(201, headers=EVENT_STREAM, stream=job.wire)

    def _delete(self, _: httpx.Request, job_id: str) -> httpx.Response:
        self.cancelled.append(job_id)
        if (job := self._job(job_id)) is None:
            return httpx.Response(404, json=NOTHING_KNOWN)
        if job.state in ("queued", "running"):
            job.cancel()
        return httpx.Response(200, json=job.document())

    def _output(self, _: httpx.Request, job_id: str, number: str) -> httpx.Response:
        job = self._job(job_id)
        if self.forgets_one_output or job is None or int(number) >= len(job.outputs):
            self.forgets_one_output = False
            return httpx.Response(404, json=NOTHING_KNOWN)
        made = job.outputs[int(number)]
        headers = {"Content-Type": made.content_type}
        return httpx.Response(200, content=made.data, headers=headers)

    def _job(self, job_id: str) -> FakeJob | None:
        return next((job for job in reversed(self.jobs) if job.id == job_id), None)


MANY = ("prompt", "negative_prompt", "face_images", "target_image")
"""Parameters of a workflow that takes any of them, of any type."""


def schema(**properties: dict[str, Any]) -> dict[str, Any]:
    """As the GPU service publishes a workflow's parameters."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def sent_to(route: respx.Route) -> list[Any]:
    """The JSON of all requests to a route, in order."""
    return [json.loads(call.request.content) for call in route.calls]
