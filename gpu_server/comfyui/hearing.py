"""What is heard of one run through the socket, and how long to wait before ComfyUI is asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from gpu_server.comfyui.messages import ImageFrame, Message
from gpu_server.comfyui.progress import Progress
from gpu_server.workflows.graph import Graph, node_title

LAST_WORDS = frozenset({"execution_success", "execution_error", "execution_interrupted"})
"""Said before the history is written."""


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

    def submitted_again(self, reason: str) -> None:
        """It has to run once more: `lost`, `out_of_memory` or `images_lost`."""


@dataclass(frozen=True)
class SocketImage:
    """An image that a node sent through the socket only."""

    node_id: str
    image: bytes
    content_type: str


class Hearing:
    """One run's listener: tells its observer, and `on_start` when it begins.

    `hears` is whether messages of this run are sent to us at all.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: frozenset[str],
        observer: RunObserver,
        on_start: Callable[[], None],
        patience: Patience,
    ) -> None:
        self._graph = graph
        self._nodes = nodes
        self._observer = observer
        self._on_start = on_start
        self._patience = patience
        self._progress = Progress(nodes)
        self._wake = asyncio.Event()
        self._heard_at = 0.0
        self._heard_end = False
        self._position: int | None = None
        self._started = False
        self.hears = False
        self.images: list[SocketImage] = []

    @property
    def is_behind(self) -> bool:
        """Whether the run has ended, and the socket, though open, has not said so."""
        return self.hears and not self._heard_end

    @property
    def lacks_images(self) -> bool:
        """Whether images were sent through the socket while it was away, or open and silent."""
        return any(map(self._saves_to_socket, self._nodes)) and (self.is_behind or not self.hears)

    def waits(self, position: int) -> None:
        """ComfyUI's queue says so."""
        if position != self._position:
            self._position = position
            self._observer.queued(position)

    def starts(self) -> None:
        """ComfyUI's queue, or the socket, says so."""
        if not self._started:
            self._started = True
            self._on_start()
            self._observer.started()

    def heard(self, message: Message) -> None:
        """From the socket."""
        self._heard_at = anyio.current_time()
        self._heard_end = self._heard_end or message.kind in LAST_WORDS
        if message.kind == "execution_start":
            self.starts()
        elif message.kind == "executing" and message.data.get("node") is None:
            self._heard_end = True
            self._wake.set()  # The history is written by now.
        elif self._progress.hear(message):
            node = self._progress.node
            title = node_title(self._graph, node) if node in self._graph else None
            self._observer.progressed(self._progress.value, node, title)

    def saw(self, frame: ImageFrame) -> None:
        """From the socket: a preview, unless the node is one that saves through it."""
        node = frame.node_id or self._progress.node
        if node is not None and self._saves_to_socket(node):
            self.images.append(SocketImage(node, frame.image, frame.content_type))
        else:
            self._observer.previewed(frame)

    def deaf(self) -> None:
        """From the socket: ask the history from now on."""
        self.hears = False
        self._wake.set()

    async def silence_or_last_word(self, *, trust: bool) -> None:
        """Until ComfyUI says that the run is over, or has not spoken of it for a while.

        Without `trust`, though it may speak, the while is a short one.
        """
        began = anyio.current_time()
        while not self._wake.is_set():
            due = max(began, self._heard_at) + self._while(trust)
            if anyio.current_time() >= due:
                break
            with anyio.CancelScope(deadline=due):
                await self._wake.wait()
        self._wake.clear()

    def _while(self, trust: bool) -> float:
        if self._position is None and not self._started:
            return self._patience.first
        return self._patience.silent if self.hears and trust else self._patience.deaf

    def _saves_to_socket(self, node: str) -> bool:
        return "websocket" in str(self._graph.get(node, {}).get("class_type", "")).lower()
