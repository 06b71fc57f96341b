"""Running one graph in ComfyUI until it has ended, whatever happens on the way.

ComfyUI's queue and history are the truth; the websocket is the fast path. It may drop, freeze or
never connect: the job still ends. Where ComfyUI restarts and forgets the job, or runs out of
memory, the graph is submitted again, a bounded number of times.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from gpu_server.comfyui.api import ComfyUIAPI, never_arrived
from gpu_server.comfyui.errors import error_of_execution, is_out_of_memory, trace_of
from gpu_server.comfyui.hearing import Hearing, Patience, RunObserver, SocketImage
from gpu_server.comfyui.progress import nodes_to_run
from gpu_server.comfyui.socket import ComfyUISocket
from gpu_server.errors import ComfyUIError, ComfyUILostJob, ComfyUITimeout, ComfyUIUnavailable
from gpu_server.workflows.graph import Graph, node_title, with_filename_prefix

log = logging.getLogger(__name__)

MAX_SUBMISSIONS = 3
CANCEL_SECONDS = 1.5
SUBMISSION_SECONDS = 0.7
"""How long a cancellation waits for a submission to be taken: cut off, it might be taken later."""
SOCKET_SECONDS = 1.0
"""How long a submission waits for the socket to be there first."""
OUTPUT_FOLDER = "gateway"
"""Where our save nodes write, inside ComfyUI's output folder."""


@dataclass(frozen=True)
class RunResult:
    """A run that succeeded: its entry in the history, and what came through the socket."""

    entry: Mapping[str, Any]
    socket_images: tuple[SocketImage, ...]


class GraphRun:
    """One graph, for one job. `outputs` are its output nodes, where they are known.

    `bound` makes the graph with its values, for each run by its number.
    """

    def __init__(
        self,
        api: ComfyUIAPI,
        socket: ComfyUISocket,
        graph: Graph,
        bound: Callable[[int], Awaitable[Graph]],
        job_id: str,
        observer: RunObserver,
        *,
        outputs: tuple[str, ...] = (),
        patience: Patience | None = None,
    ) -> None:
        self._api = api
        self._socket = socket
        self._graph = graph
        self._bound = bound
        self._job_id = job_id
        self._observer = observer
        self._nodes = nodes_to_run(graph, outputs)
        self._patience = patience or Patience()
        self._titles = {node: node_title(graph, node) for node in graph}
        self._scope = anyio.CancelScope()
        self._deadline = 0.0
        self._submission: asyncio.Future[str] | None = None
        self._begin(job_id)

    async def run(self, deadline: float, *, resume: bool = False) -> RunResult:
        """Submit and follow; with `resume`, first look for what an earlier process submitted.

        `deadline` is in seconds: for the wait in ComfyUI's queue, and again from its start on,
        so that nobody pays for the job before. Whoever cancels us cancels the job in ComfyUI,
        unless it is abandoned. Raises ComfyUIError's subclasses and WorkflowInvalid.
        """
        if resume:
            self._in_comfyui = run_ids(self._job_id)
        try:
            with anyio.fail_after(deadline) as self._scope:
                self._deadline = deadline
                return await self._until_done(resume)
        except TimeoutError as exc:
            await self._cancel()
            raise ComfyUITimeout(
                f"The job did not end within {deadline:g} s and was cancelled. "
                "Ask for less (steps, size), or allow more time (JOB_TIMEOUT)."
            ) from exc
        except asyncio.CancelledError:
            if not self._observer.abandoned:
                await self._cancel()
            raise
        finally:
            if self._submission is not None:
                self._submission.cancel()

    async def _until_done(self, resume: bool) -> RunResult:
        first = await self._resumable() if resume else None
        out_of_memory = False
        for number in range(first or 0, MAX_SUBMISSIONS):
            self._begin(run_id(self._job_id, number))
            try:
                entry = await self._once(number, submit=number != first)
            except ComfyUILostJob:
                log.warning("Job %s: ComfyUI has lost it, run %d", self._job_id, number + 1)
                self._observer.submitted_again("lost")
                continue
            error = error_of_execution(entry, self._titles)
            if error is None:
                if self._hearing.lacks_images:
                    log.warning("Job %s: images were lost with the socket", self._job_id)
                    self._observer.submitted_again("images_lost")
                    continue
                return RunResult(entry, tuple(self._hearing.images))
            log.warning("Job %s: %s%s", self._job_id, error.message, trace_of(entry))
            if out_of_memory or not is_out_of_memory(entry):
                raise error
            out_of_memory = True
            log.warning("Job %s: out of memory; freeing it and trying once more", self._job_id)
            self._observer.submitted_again("out_of_memory")
            await self._api.free()
        raise ComfyUILostJob(
            f"ComfyUI lost the job {MAX_SUBMISSIONS} times: its log says why it restarts."
        )

    def _begin(self, prompt_id: str) -> None:
        # Ours by choice; ComfyUIs of early 2025 ignore that and answer one of their own.
        self.prompt_id = prompt_id
        self._in_comfyui = [prompt_id]
        self._hearing = Hearing(
            self._graph, self._nodes, self._observer, self._count_anew, self._patience
        )

    def _count_anew(self) -> None:
        self._scope.deadline = anyio.current_time() + self._deadline

    async def _resumable(self) -> int | None:
        """The number of the last run that ComfyUI knows of, once it answers."""
        while True:
            try:
                for number in reversed(range(MAX_SUBMISSIONS)):
                    prompt_id = run_id(self._job_id, number)
                    if await self._api.knows(prompt_id):
                        log.info("Job %s: found again as prompt %s", self._job_id, prompt_id)
                        return number
                return None
            except ComfyUIError as exc:  # To run it without having looked may be to run it twice.
                log.warning("Job %s cannot be looked for: %s", self._job_id, exc)
                await asyncio.sleep(self._patience.deaf)

    async def _once(self, number: int, *, submit: bool) -> dict[str, Any]:
        """One run, to its entry in the history. Raises ComfyUILostJob."""
        if submit:
            await self._socket.ready(SOCKET_SECONDS)
        with self._socket.listening(self.prompt_id, self._hearing):
            if submit:
                prompt_id = await self._submit(await self._bound(number))
                if prompt_id != self.prompt_id:
                    return await self._under_its_own_id(prompt_id)
            return await self._follow()

    async def _under_its_own_id(self, prompt_id: str) -> dict[str, Any]:
        self.prompt_id = prompt_id
        self._in_comfyui = [prompt_id]
        with self._socket.listening(prompt_id, self._hearing):
            return await self._follow()

    async def _submit(self, graph: Graph) -> str:
        graph = with_filename_prefix(graph, f"{OUTPUT_FOLDER}/{self.prompt_id}")
        self._hearing.hears = self._socket.is_open
        self._submission = asyncio.ensure_future(
            self._api.submit(graph, self.prompt_id, self._socket.client_id)
        )
        try:
            prompt_id = await asyncio.shield(self._submission)
            log.info("Job %s: ComfyUI has it as prompt %s", self._job_id, prompt_id)
            return prompt_id
        except ComfyUIUnavailable as exc:
            if never_arrived(exc):
                raise
            # It may have arrived all the same, and is not deduplicated: follow it as if it had.
            return self.prompt_id

    async def _follow(self) -> dict[str, Any]:
        hearing, answers = self._hearing, True
        while True:
            await hearing.silence_or_last_word(trust=answers)
            try:
                entry = await self._api.history(self.prompt_id)
                lost = entry is None and not await self._is_in_queue()
            except ComfyUIError as exc:  # It may be starting anew: the deadline is the end.
                if answers:
                    log.warning("Job %s: %s", self._job_id, exc)
                answers = False
                continue
            if not answers:
                log.info("Job %s: ComfyUI answers again", self._job_id)
            answers = True
            if entry is not None:
                if hearing.is_behind:
                    log.warning("Job %s: the socket is open and silent", self._job_id)
                    self._socket.reopen()
                return entry
            if lost:
                raise ComfyUILostJob("ComfyUI restarted and lost the job. Submit it again.")

    async def _is_in_queue(self) -> bool:
        """Whether it waits or runs, or has ended in this very moment."""
        running, pending = await self._api.queued()
        if self.prompt_id in pending:
            self._hearing.waits(pending.index(self.prompt_id) + len(running))
            return True
        if self.prompt_id in running:
            self._hearing.starts()
            return True
        # It leaves the queue for the history at once: in neither, it is lost.
        return await self._api.history(self.prompt_id) is not None

    async def _cancel(self) -> None:
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            if self._submission is not None:
                with anyio.move_on_after(SUBMISSION_SECONDS):
                    await asyncio.gather(self._submission, return_exceptions=True)
            await cancel_in_comfyui(self._api, self._job_id, self._in_comfyui)


async def cancel_in_comfyui(api: ComfyUIAPI, job_id: str, prompt_ids: Iterable[str]) -> None:
    """Take these runs of a job out of ComfyUI, as far as that can be done. Never raises."""
    with anyio.move_on_after(CANCEL_SECONDS):
        try:
            for prompt_id in prompt_ids:
                await api.cancel(prompt_id)
        except ComfyUIError as exc:
            log.warning("Job %s could not be cancelled in ComfyUI: %s", job_id, exc)


def run_ids(job_id: str) -> list[str]:
    """All prompt ids that a job's runs may have."""
    return [run_id(job_id, number) for number in range(MAX_SUBMISSIONS)]


def run_id(job_id: str, number: int) -> str:
    """The prompt id of a job's run: the job's own for the first, so that it can be found again."""
    return job_id if number == 0 else str(uuid.uuid5(uuid.UUID(job_id), str(number)))
