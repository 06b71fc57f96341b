"""Running one graph in ComfyUI until it has ended, whatever happens on the way.

ComfyUI's queue and history are the truth; the websocket is the fast path. It may drop, freeze or
never connect: the job still ends. Where ComfyUI restarts and forgets the job, or runs out of
memory, the graph is submitted again, a bounded number of times.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from gpu_server.comfyui.api import ComfyUIAPI, never_arrived
from gpu_server.comfyui.errors import error_of_execution, is_out_of_memory, trace_of
from gpu_server.comfyui.messages import ImageFrame, Message
from gpu_server.comfyui.progress import Progress, nodes_to_run
from gpu_server.comfyui.socket import ComfyUISocket
from gpu_server.errors import ComfyUIError, ComfyUILostJob, ComfyUITimeout, ComfyUIUnavailable
from gpu_server.workflows.graph import Graph, node_title, with_filename_prefix

log = logging.getLogger(__name__)

MAX_SUBMISSIONS = 3
CANCEL_SECONDS = 1.5
SOCKET_SECONDS = 1.0
"""How long a submission waits for the socket to be there first."""
OUTPUT_FOLDER = "gateway"
"""Where our save nodes write, inside ComfyUI's output folder."""


@dataclass(frozen=True)
class Patience:
    """How often ComfyUI's history is asked, in seconds."""

    silent: float = 2.0
    """While the socket is open, and nothing is heard of the job."""
    deaf: float = 0.5
    """While there is no socket to hear it from."""
    first: float = 0.25
    """While nothing is known of it but that ComfyUI has taken it: it may have to wait its turn."""


class RunObserver(Protocol):
    """Whoever wants to know how a run gets on."""

    abandoned: bool
    """Whoever cancels the run wants the job to go on in ComfyUI."""

    def queued(self, position: int) -> None:
        """It waits in ComfyUI behind `position` others."""

    def started(self) -> None:
        """ComfyUI has begun it."""

    def progressed(self, value: float, node_id: str | None, node_title: str | None) -> None:
        """`value` is from 0 to 1."""

    def previewed(self, frame: ImageFrame) -> None:
        """What a sampler has so far."""


@dataclass(frozen=True)
class SocketImage:
    """An image that a node sent through the socket only."""

    node_id: str
    image: bytes
    content_type: str


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
        self._begin(job_id)

    async def run(self, deadline: float, *, resume: bool = False) -> RunResult:
        """Submit and follow; with `resume`, first look for what an earlier process submitted.

        `deadline` is in seconds: for the wait in ComfyUI's queue, and again from its start on,
        so that nobody pays for the job before. Whoever cancels us cancels
        the job in ComfyUI, unless it is abandoned. Raises ComfyUIError's subclasses and
        WorkflowInvalid.
        """
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

    async def _until_done(self, resume: bool) -> RunResult:
        first = await self._resumable() if resume else None
        out_of_memory = False
        for number in range(first or 0, MAX_SUBMISSIONS):
            self._begin(run_id(self._job_id, number))
            try:
                entry = await self._once(number, submit=number != first)
            except ComfyUILostJob:
                log.warning("Job %s: ComfyUI has lost it, run %d", self._job_id, number + 1)
                continue
            error = error_of_execution(entry, self._titles)
            if error is None:
                if self._lacks_socket_images():
                    log.warning("Job %s: images were lost with the socket", self._job_id)
                    self._socket.reopen()
                    continue
                return RunResult(entry, tuple(self._socket_images))
            log.warning("Job %s: %s%s", self._job_id, error.message, trace_of(entry))
            if out_of_memory or not is_out_of_memory(entry):
                raise error
            out_of_memory = True
            log.warning("Job %s: out of memory; freeing it and trying once more", self._job_id)
            await self._api.free()
        raise ComfyUILostJob(
            f"ComfyUI lost the job {MAX_SUBMISSIONS} times: its log says why it restarts."
        )

    def _begin(self, prompt_id: str) -> None:
        # Ours by choice; ComfyUIs of early 2025 ignore that and answer one of their own.
        self.prompt_id = prompt_id
        self._progress = Progress(self._nodes)
        self._socket_images: list[SocketImage] = []
        self._wake = asyncio.Event()
        self._heard_at = 0.0
        self._hears = False
        self._answers = True
        self._position: int | None = None
        self._started = False

    async def _resumable(self) -> int | None:
        """The number of the last run that ComfyUI knows of, once it answers."""
        while True:
            try:
                for number in reversed(range(MAX_SUBMISSIONS)):
                    if await self._api.knows(run_id(self._job_id, number)):
                        return number
                return None
            except ComfyUIError as exc:  # To run it without having looked may be to run it twice.
                log.warning("Job %s cannot be looked for: %s", self._job_id, exc)
                await asyncio.sleep(self._patience.deaf)

    async def _once(self, number: int, *, submit: bool) -> dict[str, Any]:
        """One run, to its entry in the history. Raises ComfyUILostJob."""
        if submit:
            await self._socket.ready(SOCKET_SECONDS)
        with self._socket.listening(self.prompt_id, self):
            if submit:
                prompt_id = await self._submit(await self._bound(number))
                if prompt_id != self.prompt_id:
                    return await self._under_its_own_id(prompt_id)
            return await self._follow()

    async def _under_its_own_id(self, prompt_id: str) -> dict[str, Any]:
        self.prompt_id = prompt_id
        with self._socket.listening(prompt_id, self):
            return await self._follow()

    async def _submit(self, graph: Graph) -> str:
        graph = with_filename_prefix(graph, f"{OUTPUT_FOLDER}/{self.prompt_id}")
        self._hears = self._socket.is_open
        try:
            return await self._api.submit(graph, self.prompt_id, self._socket.client_id)
        except ComfyUIUnavailable as exc:
            if never_arrived(exc):
                raise
            # It may have arrived all the same, and is not deduplicated: follow it as if it had.
            return self.prompt_id

    async def _follow(self) -> dict[str, Any]:
        while True:
            await self._silence_or_last_word()
            try:
                entry = await self._api.history(self.prompt_id)
                lost = entry is None and not await self._is_in_queue()
            except ComfyUIError as exc:  # It may be starting anew: the deadline is the end.
                if self._answers:
                    log.warning("Job %s: %s", self._job_id, exc)
                self._answers = False
                continue
            if not self._answers:
                log.info("Job %s: ComfyUI answers again", self._job_id)
            self._answers = True
            if entry is not None:
                return entry
            if lost:
                raise ComfyUILostJob("ComfyUI restarted and lost the job. Submit it again.")

    async def _is_in_queue(self) -> bool:
        """Whether it waits or runs, or has ended in this very moment."""
        running, pending = await self._api.queued()
        if self.prompt_id in pending:
            position = pending.index(self.prompt_id) + len(running)
            if position != self._position:
                self._position = position
                self._observer.queued(position)
            return True
        if self.prompt_id in running:
            self._start()
            return True
        # It leaves the queue for the history at once: in neither, it is lost.
        return await self._api.history(self.prompt_id) is not None

    async def _silence_or_last_word(self) -> None:
        """Until ComfyUI says that the job is over, or has not spoken of it for a while."""
        began = anyio.current_time()
        while not self._wake.is_set():
            due = max(began, self._heard_at) + self._patience_now()
            if anyio.current_time() >= due:
                break
            with anyio.CancelScope(deadline=due):
                await self._wake.wait()
        self._wake.clear()

    def _patience_now(self) -> float:
        if self._position is None and not self._started:
            return self._patience.first
        return self._patience.silent if self._hears and self._answers else self._patience.deaf

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._scope.deadline = anyio.current_time() + self._deadline
            self._observer.started()

    def heard(self, message: Message) -> None:
        """From the socket."""
        self._heard_at = anyio.current_time()
        if message.kind == "execution_start":
            self._start()
        elif message.kind == "executing" and message.data.get("node") is None:
            self._wake.set()  # The history is written by now.
        elif self._progress.hear(message):
            node = self._progress.node
            title = self._titles.get(node or "")
            self._observer.progressed(self._progress.value, node, title)

    def saw(self, frame: ImageFrame) -> None:
        """From the socket: a preview, unless the node is one that saves through it."""
        node = frame.node_id or self._progress.node
        if node is not None and self._saves_to_socket(node):
            self._socket_images.append(SocketImage(node, frame.image, frame.content_type))
        else:
            self._observer.previewed(frame)

    def deaf(self) -> None:
        """From the socket: ask the history from now on."""
        self._hears = False
        self._wake.set()

    def _saves_to_socket(self, node: str) -> bool:
        return "websocket" in str(self._graph.get(node, {}).get("class_type", "")).lower()

    def _lacks_socket_images(self) -> bool:
        """Whether the socket was away, or open and silent, while they were sent."""
        wanted = set(filter(self._saves_to_socket, self._nodes))
        came = {image.node_id for image in self._socket_images}
        return not wanted <= came or bool(wanted and not self._hears)

    async def _cancel(self) -> None:
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            try:
                await self._api.cancel(self.prompt_id)
            except ComfyUIError as exc:
                log.warning("Job %s could not be cancelled in ComfyUI: %s", self._job_id, exc)


def run_id(job_id: str, number: int) -> str:
    """The prompt id of a job's run: the job's own for the first, so that it can be found again."""
    return job_id if number == 0 else str(uuid.uuid5(uuid.UUID(job_id), str(number)))
