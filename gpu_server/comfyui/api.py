"""ComfyUI's HTTP routes, one method each, its failures translated."""

import time
from collections.abc import Mapping
from typing import Any

import anyio
import httpx

from gpu_server.comfyui.errors import error_of_rejection
from gpu_server.correlation import current
from gpu_server.errors import ComfyUIError, ComfyUIUnavailable
from gpu_server.login import without_login
from gpu_server.workflows.graph import Graph, node_title

HEALTH_TIMEOUT = 5.0
"""Seconds, as the specification says."""
CANNOT_REACH = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)
"""UnicodeError: a host name that no name server can be asked for."""
NEVER_ARRIVED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    UnicodeError,
)
LOOK_TIMEOUT = 5.0
OBJECT_INFO_TIMEOUT = 60.0
TRANSFER_TIMEOUT = 120.0


class ComfyUIAPI:
    """Thin and typed. Raises ComfyUIUnavailable where nobody answers, else ComfyUIError."""

    def __init__(
        self, http: httpx.AsyncClient, url: str, health_timeout: float = HEALTH_TIMEOUT
    ) -> None:
        self._http = http
        self.url = url.rstrip("/")
        self.place = without_login(self.url)
        """For words that others read."""
        self._health_timeout = health_timeout
        self.withdrawn: dict[str, float] = {}
        """Prompts that were cancelled, and when, by the monotonic clock: until `still_running`."""

    async def is_up(self) -> bool:
        """Whether `/system_stats` answers 200 within 5 s. Never raises."""
        return await self.trouble() is None

    async def trouble(self) -> str | None:
        """Why it does not, in words for the log; None: it does. Never raises."""
        timeout = self._health_timeout
        try:
            # httpx counts anew with every byte that comes.
            with anyio.fail_after(timeout):
                reply = await self._http.get(f"{self.url}/system_stats", timeout=timeout)
        except (httpx.TimeoutException, TimeoutError):
            return f"it says nothing for {timeout:g} s"
        except CANNOT_REACH as exc:
            return f"it cannot be reached ({type(exc).__name__})"
        return None if reply.status_code == 200 else f"it answers {reply.status_code}"

    async def system_stats(self) -> dict[str, Any]:
        """Its version and its machine's memory."""
        reply = await self._request("GET", "/system_stats", timeout=LOOK_TIMEOUT)
        return _json_object(_ok(reply))

    async def submit(self, graph: Graph, prompt_id: str, client_id: str) -> str:
        """Queue a graph under an id of ours, and return the id that it has.

        Raises ComfyUIRejected or WorkflowInvalid where ComfyUI refuses any part of it: a 200
        with `node_errors` means that outputs were dropped, which is no success either.
        """
        body: dict[str, Any] = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        if told := current().fields:
            body["extra_data"] = {"gateway": told}  # Kept in its history, and nowhere else.
        reply = await self._request("POST", "/prompt", json=body)
        answer = _json_object(reply)
        accepted = str(answer.get("prompt_id") or prompt_id)
        if reply.status_code == 200 and not answer.get("node_errors"):
            return accepted
        if reply.status_code in (200, 400):
            if reply.status_code == 200:
                await self.cancel(accepted)
            raise error_of_rejection(answer, {node: node_title(graph, node) for node in graph})
        raise _unexpected(reply)

    async def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The finished job's entry, or None while it is pending or where it is unknown."""
        reply = _ok(await self._request("GET", f"/history/{prompt_id}", timeout=LOOK_TIMEOUT))
        entry = _json_object(reply).get(prompt_id)
        return entry if isinstance(entry, dict) else None

    async def queued(self) -> tuple[list[str], list[str]]:
        """The ids that run, and those that wait in the order in which they will run."""
        queue = _json_object(_ok(await self._request("GET", "/queue", timeout=LOOK_TIMEOUT)))
        running = [item[1] for item in queue.get("queue_running", [])]
        # The list is ComfyUI's heap: only the numbers tell the order.
        pending = sorted(queue.get("queue_pending", []), key=lambda item: item[0])
        return running, [item[1] for item in pending]

    async def last_ended(self) -> str | None:
        """The id of the job that ended last, anybody's; None where the history is empty."""
        path = "/history"
        reply = await self._request("GET", path, params={"max_items": 1}, timeout=LOOK_TIMEOUT)
        return next(reversed(_json_object(_ok(reply))), None)

    async def knows(self, prompt_id: str) -> bool:
        """Whether the job waits, runs or has ended; False: it never came, or was forgotten."""
        # The queue first: a job leaves it for the history at once, and never the other way.
        running, pending = await self.queued()
        return prompt_id in running + pending or await self.history(prompt_id) is not None

    async def view(self, file: Mapping[str, str]) -> bytes:
        """The bytes of one output, named as the history names it."""
        params = {key: file.get(key, "") for key in ("filename", "subfolder", "type")}
        reply = await self._request("GET", "/view", params=params, timeout=TRANSFER_TIMEOUT)
        return _ok(reply).content

    async def cancel(self, prompt_id: str) -> None:
        """Take this job, and no other, out of ComfyUI, waiting or running."""
        self.withdrawn[prompt_id] = time.monotonic()
        reply = await self._request("POST", f"/api/jobs/{prompt_id}/cancel")
        if reply.status_code == 200:
            return
        # Before 0.33 there is no jobs API. An interrupt without an id would stop any job.
        await self._request("POST", "/queue", json={"delete": [prompt_id]})
        running, _ = await self.queued()
        if prompt_id in running:
            await self._request("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def still_running(self) -> dict[str, float]:
        """Those of the cancelled prompts that run all the same; the others are forgotten."""
        if self.withdrawn:
            running, _ = await self.queued()
            self.withdrawn = {each: at for each, at in self.withdrawn.items() if each in running}
        return self.withdrawn

    async def free(self) -> bool:
        """Unload all models, after what runs now; whether ComfyUI is willing to."""
        body = {"unload_models": True, "free_memory": True}
        return (await self._request("POST", "/free", json=body)).status_code == 200

    async def object_info(self) -> dict[str, Any]:
        """All node classes with their inputs."""
        reply = await self._request("GET", "/object_info", timeout=OBJECT_INFO_TIMEOUT)
        return _json_object(_ok(reply))

    async def upload(self, name: str, data: bytes, subfolder: str) -> str:
        """Put an image among ComfyUI's inputs, and return the value that a loader takes."""
        reply = _ok(
            await self._request(
                "POST",
                "/upload/image",
                files={"image": (name, data)},
                data={"type": "input", "subfolder": subfolder, "overwrite": "true"},
                timeout=TRANSFER_TIMEOUT,
            )
        )
        stored = _json_object(reply)
        parts = (stored.get("subfolder"), stored.get("name") or name)
        return "/".join(str(part) for part in parts if part)

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        options["headers"] = {**current().headers, **options.get("headers", {})}
        try:
            return await self._http.request(method, f"{self.url}{path}", **options)
        except CANNOT_REACH as exc:
            raise ComfyUIUnavailable(
                f"ComfyUI does not answer at {self.place} ({type(exc).__name__}). "
                "Start it, or set COMFYUI_API_URL."
            ) from exc


def never_arrived(error: ComfyUIUnavailable) -> bool:
    """Whether ComfyUI cannot have seen the request."""
    return isinstance(error.__cause__, NEVER_ARRIVED)


def _ok(reply: httpx.Response) -> httpx.Response:
    if reply.status_code != 200:
        raise _unexpected(reply)
    return reply


def _unexpected(reply: httpx.Response) -> ComfyUIError:
    request = reply.request
    return ComfyUIError(
        f"ComfyUI answered {reply.status_code} to {request.method} {request.url.path}. "
        "Its own log says why."
    )


def _json_object(reply: httpx.Response) -> dict[str, Any]:
    try:
        answer = reply.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
