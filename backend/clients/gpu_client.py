"""The GPU service's HTTP API."""

import logging
from typing import Any

import anyio
import httpx

from backend.errors import (
    GPUServiceError,
    GPUServiceRefused,
    GPUServiceTimeout,
    GPUServiceUnreachable,
)
from backend.schemas.catalogue import Catalogue

log = logging.getLogger(__name__)

HEALTH_TIMEOUT = 5.0
"""Seconds, as the specification says."""
CONNECT_TIMEOUT = 5.0
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
        self._url = base_url.rstrip("/")
        self._timeout = httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout))
        self._health_timeout = health_timeout

    async def check_health(self) -> bool:
        """Whether `/health` answers 200 within 5 s. Never raises."""
        try:
            # httpx bounds each step, a reply that trickles in as a whole is ours to bound.
            with anyio.fail_after(self._health_timeout):
                reply = await self._http.get(f"{self._url}/health", timeout=self._health_timeout)
        except Exception as exc:
            log.debug("GPU service health: %r", exc)
            return False
        return reply.status_code == 200

    async def generate(self, workflow: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run a workflow and wait for it: `{"status", "image", "error"}`.

        Raises GPUServiceUnreachable, GPUServiceTimeout, GPUServiceRefused (the GPU service's own
        words) and GPUServiceError.
        """
        payload = {"workflow": workflow, "params": params}
        return await self._json("POST", "/generate", json=payload, timeout=self._timeout)

    async def catalogue(self) -> Catalogue:
        """What the GPU service can run. Raises as `generate` does."""
        return Catalogue.model_validate(
            await self._json("GET", "/workflows", timeout=HEALTH_TIMEOUT)
        )

    async def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            reply = await self._http.request(method, f"{self._url}{path}", **options)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self._translated(exc) from exc
        answer = _json_object(reply)
        if reply.status_code != 200:
            raise _refusal(reply, answer)
        if answer is None:
            raise GPUServiceError(f"The GPU service answered {path} with something else than JSON.")
        return answer

    def _translated(self, exc: httpx.HTTPError | httpx.InvalidURL) -> GPUServiceError:
        if isinstance(exc, NEVER_ARRIVED):
            return GPUServiceUnreachable(
                f"The GPU service does not answer at {self._url}. Start it, or set GPU_SERVICE_URL."
            )
        if isinstance(exc, httpx.TimeoutException):
            return GPUServiceTimeout(
                f"The GPU service did not answer within {self._timeout.read:g} s. "
                "Ask for less (steps, size), or raise REQUEST_TIMEOUT."
            )
        return GPUServiceError(f"The connection to the GPU service broke off ({exc!r}).")


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
