"""The GPU service's HTTP API."""

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import anyio
import httpx
from httpx_sse import SSEError, aconnect_sse

from backend.clients.json_body import EXTENSION, JSONBody, json_object
from backend.correlation import current
from backend.errors import (
    GPUServiceError,
    GPUServiceRefused,
    GPUServiceTimeout,
    GPUServiceUnreachable,
)
from backend.login import without_login
from backend.schemas.catalogue import Catalogue
from backend.schemas.gpu_job import GPUJobEvent
from backend.tasks import AS_MADE, OutputOptions

log = logging.getLogger(__name__)

JSON = {"Content-Type": "application/json"}
HEALTH_TIMEOUT = 5.0
"""Seconds, as the specification says."""
CONNECT_TIMEOUT = 5.0
CANCEL_TIMEOUT = 10.0
REFRESH_TIMEOUT = 30.0
SILENCE_SECONDS = 40.0
NEVER_ARRIVED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


class GPUClient:
    """Calls one GPU service. `timeout` is for `generate`, in seconds, as is `health_timeout`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        timeout: float = 180.0,
        health_timeout: float = HEALTH_TIMEOUT,
    ) -> None:
        self._http = http
        self.url = base_url.rstrip("/")
        self.place = without_login(self.url)
        """For words that others read."""
        self._timeout = httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout))
        self._health_timeout = health_timeout
        self._etag: str | None = None

    def at(self, url: str) -> "GPUClient":
        """A client of another GPU service, with the same bounds."""
        return GPUClient(self._http, url, self._timeout.read or 180.0, self._health_timeout)

    async def check_health(self, *, with_comfyui: bool = False) -> bool:
        """Whether `/health` answers 200 within 5 s, and ComfyUI is there. Never raises."""
        try:
            # httpx bounds each step, a reply that trickles in as a whole is ours to bound.
            with anyio.fail_after(self._health_timeout):
                reply = await self._http.get(f"{self.url}/health", timeout=self._health_timeout)
        except Exception as exc:
            log.debug("GPU service health: %r", exc)
            return False
        if reply.status_code != 200 or not with_comfyui:
            return reply.status_code == 200
        return bool((_json_object(reply) or {}).get("comfyui_available"))

    async def generate(self, workflow: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run a workflow and wait for it: `{"status", "image", "error"}`.

        Raises GPUServiceUnreachable, GPUServiceTimeout, GPUServiceRefused (the GPU service's own
        words) and GPUServiceError.
        """
        payload = {"workflow": workflow, "params": params}
        return await self._json("POST", "/generate", json=payload, timeout=self._timeout)

    async def catalogue(self, *, anew: bool = False) -> Catalogue | None:
        """What the GPU service can run, or None where that has not changed since it was asked.

        With `anew`, ComfyUI is asked too what it has by now. Raises as `generate` does.
        """
        seen = {} if anew or self._etag is None else {"If-None-Match": self._etag}
        reply = await self._request(
            "GET",
            "/workflows",
            params={"refresh": "true"} if anew else {},
            headers=seen,
            timeout=REFRESH_TIMEOUT if anew else HEALTH_TIMEOUT,
        )
        if reply.status_code == 304:
            return None
        catalogue = Catalogue.model_validate(self._object(reply))
        self._etag = reply.headers.get("ETag")
        return catalogue

    async def run_job(
        self,
        job_id: str,
        workflow: str,
        params: Mapping[str, Any],
        options: OutputOptions = AS_MADE,
        *,
        resume: bool,
        encoded: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[GPUJobEvent, None]:
        """Start a job under an id of ours, or find it again: what happens to it, to its end.

        `encoded` are further parameters, each as JSON already. The GPU service says something every
        15 seconds: a longer silence is a lost connection. Raises as `generate` does.
        """
        url = f"{self.url}/jobs/{job_id}"
        told = {"workflow": workflow, "resume": resume, **_told(options)}
        apart = {name: [value] for name, value in (encoded or {}).items()}
        body = JSONBody(json_object(told, {"params": json_object(params, apart)}))
        del apart, encoded  # The job may take minutes, and they much memory.
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_TIMEOUT)
        try:
            async with aconnect_sse(
                self._http,
                "PUT",
                url,
                content=body,
                headers={**JSON, "Content-Length": str(len(body)), **current().headers},
                extensions={EXTENSION: body},
                timeout=timeout,
            ) as source:
                if not source.response.is_success:
                    await source.response.aread()
                    raise _refusal(source.response, _json_object(source.response))
                async for event in source.aiter_sse():
                    if event.data:  # A heartbeat has none.
                        yield GPUJobEvent.read(event.event, event.data)
        except (SSEError, ValueError, RecursionError) as exc:
            raise GPUServiceError(f"The GPU service's events cannot be read ({exc!r}).") from exc
        except httpx.TimeoutException as exc:
            if isinstance(exc, NEVER_ARRIVED):
                raise self._translated(exc) from exc
            raise GPUServiceError("The GPU service has fallen silent.") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self._translated(exc) from exc

    async def output(self, job_id: str, number: int) -> bytes:
        """The bytes of one file that a job made. Raises as `generate` does."""
        try:
            reply = await self._request("GET", f"/jobs/{job_id}/outputs/{number}")
        except GPUServiceTimeout as exc:
            raise GPUServiceError("The GPU service is slow to hand out what it made.") from exc
        if reply.status_code == 404:
            # It has been started anew; under its id, the job is found again in ComfyUI.
            raise GPUServiceError("The GPU service has forgotten the job. It is asked for again.")
        if reply.status_code != 200:
            raise _refusal(reply, _json_object(reply))
        return reply.content

    async def cancel_job(self, job_id: str) -> None:
        """Take a job out of the GPU, waiting or running. Raises as `generate` does."""
        await self._json("DELETE", f"/jobs/{job_id}", timeout=CANCEL_TIMEOUT)

    async def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return self._object(await self._request(method, path, **options))

    def _object(self, reply: httpx.Response) -> dict[str, Any]:
        answer = _json_object(reply)
        if reply.status_code != 200:
            raise _refusal(reply, answer)
        if answer is None:
            path = reply.request.url.path
            raise GPUServiceError(f"The GPU service answered {path} with something else than JSON.")
        return answer

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        options.setdefault("timeout", self._timeout)
        options["headers"] = {**current().headers, **options.get("headers", {})}
        try:
            return await self._http.request(method, f"{self.url}{path}", **options)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self._translated(exc) from exc

    def _translated(self, exc: httpx.HTTPError | httpx.InvalidURL) -> GPUServiceError:
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            return GPUServiceUnreachable(
                f"The GPU service's certificate at {self.place} is not trusted ({exc}). "
                "Name its authority in GPU_SERVICE_CA_FILE, and itself as GPU_SERVICE_URL does."
            )
        if isinstance(exc, NEVER_ARRIVED):
            return GPUServiceUnreachable(
                f"The GPU service does not answer at {self.place}. "
                "Start it, or set GPU_SERVICE_URL."
            )
        if isinstance(exc, httpx.TimeoutException):
            return GPUServiceTimeout(
                f"The GPU service did not answer within {self._timeout.read:g} s. "
                "Ask for less (steps, size), or raise REQUEST_TIMEOUT."
            )
        return GPUServiceError(f"The connection to the GPU service at {self.place} broke off.")


def _told(options: OutputOptions) -> dict[str, Any]:
    told = {
        "output_format": options.format and options.format.value,
        "output_quality": options.quality,
        "keep_metadata": options.keep_metadata or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _json_object(reply: httpx.Response) -> dict[str, Any] | None:
    try:
        answer = reply.json()
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(reply: httpx.Response, problem: dict[str, Any] | None) -> GPUServiceError:
    """Its problem document in its own words, or what can be told without one."""
    if problem is None or "code" not in problem:
        return GPUServiceRefused(
            f"The GPU service answered {reply.status_code}. Its log says why.",
            code="gpu_service_error",
            retryable=reply.status_code >= 500,
        )
    return GPUServiceRefused(
        str(problem.get("detail")),
        code=str(problem["code"]),
        retryable=bool(problem.get("retryable")),
        parameter=problem.get("parameter"),
        hint=problem.get("hint"),
    )
