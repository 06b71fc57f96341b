"""One fake server: its parts, and what tests may look at and switch."""

import asyncio
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.fake_comfyui.cache import OutputCache
from tests.fake_comfyui.catalog import Catalog
from tests.fake_comfyui.executions import Executions
from tests.fake_comfyui.executor import Executor
from tests.fake_comfyui.faults import Faults
from tests.fake_comfyui.files import Files, SavedFile
from tests.fake_comfyui.interruption import Interruption, Restarted
from tests.fake_comfyui.mishap import Mishaps
from tests.fake_comfyui.options import FakeOptions, Version
from tests.fake_comfyui.queue import PromptQueue
from tests.fake_comfyui.recorded import Json, recorded
from tests.fake_comfyui.run import Engine
from tests.fake_comfyui.socket import Hub

POLL_SECONDS = 0.005


@dataclass(frozen=True)
class ReceivedRequest:
    """One HTTP request as it came in; `json` is None for any other body."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True)
class SubmittedPrompt:
    """One POST /prompt that named a graph, with how it was answered."""

    prompt_id: str
    graph: Json
    body: Json
    accepted: bool


class FakeComfyUI:
    """Use as an async context manager: its workers run inside."""

    def __init__(self, options: FakeOptions | None = None) -> None:
        self.options = options or FakeOptions()
        self.url = ""
        self.requests: list[ReceivedRequest] = []
        self.prompts: list[SubmittedPrompt] = []
        self.uploads: list[SavedFile] = []
        self.number = 0
        fixed = recorded(self.version.value)
        self.system_stats: Json = copy.deepcopy(fixed.system_stats)
        self.features = fixed.features
        self.model_folders = fixed.model_folders
        self.faults = Faults(self.options.faults)
        self.files = Files(self.options.output_dir)
        self.catalog = Catalog(self.options, self.files)
        self.hub = Hub(self.faults, self.features, self.queue_info)
        self.queue = PromptQueue(self._queue_changed)
        self.interruption = Interruption()
        mishaps = Mishaps(self.faults, self.hub, self.interruption, self.restart)
        self.cache = OutputCache(self.catalog, self.files)
        self._engine = Engine(
            self.catalog,
            self.files,
            self.faults,
            self.hub,
            self.cache,
            self.interruption,
            mishaps,
            self.options.job_seconds,
        )
        self.executions = Executions(self.options.executions)
        self.executor = Executor(self._engine, self.queue, self.executions)
        self._tasks: list[asyncio.Task[None]] = []
        self._created = 0

    @property
    def version(self) -> Version:
        return self.options.version

    @property
    def open_sockets(self) -> int:
        return self.hub.open_sockets

    @property
    def executed_prompts(self) -> list[str]:
        """The ids of the prompts run to an end, good or bad, in that order."""
        return self.executor.finished

    @property
    def executed_nodes(self) -> list[tuple[str, str]]:
        """(prompt id, node id) of every node that ran and was not cached."""
        return self._engine.executed_nodes

    def create_time(self) -> int:
        """Milliseconds, never the same twice: the jobs API sorts by it."""
        self._created = max(self._created + 1, int(time.time() * 1000))
        return self._created

    def queue_info(self) -> Json:
        return {"exec_info": {"queue_remaining": self.queue.remaining}}

    def requests_to(self, method: str, path: str) -> list[ReceivedRequest]:
        return [one for one in self.requests if (one.method, one.path) == (method, path)]

    async def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        """Wait for something to become true; TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the fake ComfyUI did not get there in time")
            await asyncio.sleep(POLL_SECONDS)

    async def restart(self) -> None:
        """What a crash and a new start leave: the files, and nothing of what was in memory."""
        self.queue.forget()
        self.cache.clear()
        self.files.empty_temp()
        self.number = 0
        self.interruption.request(Restarted)
        await self.hub.close_all()

    async def __aenter__(self) -> "FakeComfyUI":
        self._tasks = [
            asyncio.create_task(self.hub.run(), name="fake-comfyui-sockets"),
            asyncio.create_task(self.executor.run(), name="fake-comfyui-executor"),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.files.remove()
        # A worker that died on its own is a bug of the fake: never silent.
        for result in ended:
            if isinstance(result, Exception):
                raise result

    def _queue_changed(self) -> None:
        self.hub.publish("status", {"status": self.queue_info()})
