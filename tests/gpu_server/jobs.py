"""Jobs, as a client of the GPU service sees them."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.gpu_server.serving import Service, running

SMALL = {"prompt": "x", "width": 64, "height": 64, "steps": 4}
"""Of `free_generation`: quickly made."""
END_SECONDS = 8.0


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    number: int
    kind: str
    data: dict[str, Any]


def events_of(text: str) -> list[Event]:
    """A `text/event-stream`, read; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if fields:
            found.append(Event(int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Jobs:
    """The routes under `/jobs`; jobs are small ones of `free_generation`, unless told."""

    http: httpx.AsyncClient

    async def put(
        self,
        job_id: str,
        workflow: str = "free_generation",
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        if params is None:
            params = SMALL if workflow == "free_generation" else {}
        body = {"workflow": workflow, "params": params, **options}
        return await self.http.put(f"/jobs/{job_id}", json=body, headers=headers)

    async def start(
        self,
        workflow: str = "free_generation",
        params: dict[str, Any] | None = None,
        **options: Any,
    ) -> str:
        """Start a job under a new id, which is returned."""
        job_id = new_id()
        reply = await self.put(job_id, workflow, params, **options)
        assert reply.status_code == 201, reply.text
        return job_id

    async def get(self, job_id: str) -> dict[str, Any]:
        reply = await self.http.get(f"/jobs/{job_id}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    async def cancel(self, job_id: str) -> dict[str, Any]:
        reply = await self.http.delete(f"/jobs/{job_id}")
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    async def story(self, job_id: str, after: int | None = None) -> list[Event]:
        """All events, once the stream has ended."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        request = self.http.get(f"/jobs/{job_id}/events", headers=headers)
        reply = await asyncio.wait_for(request, END_SECONDS)
        assert reply.status_code == 200, reply.text
        return events_of(reply.text)

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        await self.story(job_id)
        return await self.get(job_id)

    async def done(self, job_id: str) -> dict[str, Any]:
        """The job, which has ended well."""
        job = await self.ended(job_id)
        assert (job["state"], job["error"]) == ("done", None), job
        return job

    async def failed(self, job_id: str, code: str) -> dict[str, Any]:
        """Why the job has failed, which is for a reason of this code."""
        job = await self.ended(job_id)
        assert (job["state"], job["error"]["code"]) == ("failed", code), job
        error: dict[str, Any] = job["error"]
        return error

    async def files(self, job_id: str) -> list[bytes]:
        """The outputs of a job that has ended well."""
        job = await self.done(job_id)
        replies = [await self.http.get(output["url"]) for output in job["outputs"]]
        assert {reply.status_code for reply in replies} <= {200}
        return [reply.content for reply in replies]


def jobs_of(service: Service) -> Jobs:
    return Jobs(service.http)


@asynccontextmanager
async def jobs_on(comfyui_api_url: str, **settings: Any) -> AsyncIterator[Jobs]:
    """The jobs of a service of our own on this ComfyUI."""
    async with running(comfyui_api_url, **settings) as service:
        yield jobs_of(service)
