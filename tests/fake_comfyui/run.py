"""One prompt's run: its nodes, its events, its end."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tests.fake_comfyui.cache import OutputCache
from tests.fake_comfyui.catalog import Catalog
from tests.fake_comfyui.faults import Fault, Faults
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.findings import is_link
from tests.fake_comfyui.images import metadata_frame, preview_frame
from tests.fake_comfyui.interruption import Interrupted, Interruption, Restarted
from tests.fake_comfyui.mishap import Mishaps, UnrunnableGraph
from tests.fake_comfyui.node import Output
from tests.fake_comfyui.order import RunOrder
from tests.fake_comfyui.progress import Progress
from tests.fake_comfyui.queue import Outcome, QueueItem
from tests.fake_comfyui.recorded import Json
from tests.fake_comfyui.socket import Hub

SLOW_STEP_SECONDS = 1.0
LOOK_SECONDS = 0.01


@dataclass
class Engine:
    """What all runs of one server share. `executed_nodes` is for tests to look at."""

    catalog: Catalog
    files: Files
    faults: Faults
    hub: Hub
    cache: OutputCache
    interruption: Interruption
    mishaps: Mishaps
    job_seconds: float
    executed_nodes: list[tuple[str, str]] = field(default_factory=list)


class Run:
    """Also the Context that the nodes see."""

    def __init__(self, engine: Engine, item: QueueItem) -> None:
        self._engine = engine
        self._item = item
        self._graph = item.graph
        self._progress = Progress(item.prompt_id)
        self._messages: list[tuple[str, Json]] = []
        self._executed: list[str] = []
        self._node = ""
        self._samplers = 0
        self._struck = False
        self.files = engine.files
        self.texts: Json = {"prompt": item.graph, **item.extra_data.get("extra_pnginfo", {})}

    async def outcome(self) -> Outcome:
        cache = self._engine.cache
        self._message("execution_start", {})
        cache.begin(self._graph)
        cached = [node_id for node_id in self._graph if cache.get(node_id)]
        self._message("execution_cached", {"nodes": cached})
        succeeded = await self._run_nodes(self._order())
        shown = dict(cache.shown())
        meta = {
            node_id: {
                "node_id": node_id,
                "display_node": node_id,
                "parent_node": None,
                "real_node_id": node_id,
            }
            for node_id in shown
        }
        return Outcome(succeeded, self._messages, shown, meta)

    def _order(self) -> RunOrder:
        catalog = self._engine.catalog
        order = RunOrder(
            self._graph,
            is_output=lambda node_id: catalog.is_output(self._graph[node_id]["class_type"]),
            is_cached=lambda node_id: self._engine.cache.get(node_id) is not None,
        )
        for output in self._item.outputs:
            order.add(output)
        classes = [self._graph[node_id]["class_type"] for node_id in order.nodes()]
        self._samplers = sum(catalog.node(name).sampler for name in classes)
        return order

    async def _run_nodes(self, order: RunOrder) -> bool:
        try:
            while order.nodes():
                self._node = order.pick()
                await self._run_node(self._node)
                order.done(self._node)
        except Restarted:
            raise
        except Interrupted:
            self._message("execution_interrupted", self._place(), broadcast=True)
            return False
        except UnrunnableGraph as problem:
            self._fail(problem, "graph.DependencyCycleError", [], [])
            return True
        except Exception as problem:  # a node may raise anything: it ends its prompt only
            frames = traceback.format_tb(problem.__traceback__)
            shown = {name: [_shown(value)] for name, value in self._inputs(self._node).items()}
            self._fail(problem, _full_name(type(problem)), frames, shown)
            return False
        self._message("execution_success", {})
        return True

    async def _run_node(self, node_id: str) -> None:
        engine = self._engine
        cached = engine.cache.get(node_id)
        if cached is not None:
            self._send_executed(node_id, cached.ui)
        else:
            self._progress.start(node_id)
            self._send_progress_state()
            engine.hub.current_node = node_id
            self._send("executing", {"node": node_id, "display_node": node_id})
            output = await self._execute(node_id)
            engine.cache.put(node_id, output)
            if output.ui:
                self._send_executed(node_id, output.ui)
            self._executed.append(node_id)
            engine.executed_nodes.append((self._item.prompt_id, node_id))
        self._progress.finish(node_id)
        self._send_progress_state()

    async def _execute(self, node_id: str) -> Output:
        engine = self._engine
        await engine.interruption.sleep(0)
        if not self._samplers and not self._struck:
            await engine.mishaps.hang()
            await engine.interruption.sleep(engine.job_seconds / 2)
            await self._strike()
            await engine.interruption.sleep(engine.job_seconds / 2)
        node = engine.catalog.node(self._graph[node_id]["class_type"])
        return await node.execute(self, **self._inputs(node_id))

    def _inputs(self, node_id: str) -> dict[str, Any]:
        """The declared inputs, links replaced by what came out at their other end."""
        node = self._graph[node_id]
        values: dict[str, Any] = {}
        for declared in self._engine.catalog.inputs(node["class_type"]):
            if declared.name not in node["inputs"]:
                continue
            value = node["inputs"][declared.name]
            if is_link(value):
                source = self._engine.cache.get(value[0])
                value = source.values[value[1]] if source else None
            values[declared.name] = value
        return values

    async def _strike(self) -> None:
        self._struck = True
        await self._engine.mishaps.strike()

    async def sample(self, steps: int, preview: Callable[[int], Image.Image]) -> None:
        engine = self._engine
        seconds = engine.job_seconds / max(1, self._samplers) / steps
        if not self._struck:
            await engine.mishaps.hang()
        for step in range(1, steps + 1):
            await engine.interruption.sleep(seconds)
            await self._dawdle()
            if step == (steps + 1) // 2 and not self._struck:
                await self._strike()
            image = preview(step) if engine.faults.active(Fault.PREVIEWS) else None
            self._report(step, steps, image, "JPEG")

    async def _dawdle(self) -> None:
        """As long as a step has to take longer; no longer than the fault is on."""
        begun, faults = time.monotonic(), self._engine.faults
        while (wanted := faults.value(Fault.SLOW_STEPS, SLOW_STEP_SECONDS)) is not None:
            if time.monotonic() - begun >= wanted:
                return
            await self._engine.interruption.sleep(LOOK_SECONDS)

    async def send_image(self, index: int, total: int, image: Image.Image) -> None:
        self._report(index, total, image, "PNG")

    def _report(self, value: int, total: int, image: Image.Image | None, kind: str) -> None:
        """Progress, with the picture before it or after it as the client can read."""
        hub, sid, node_id = self._engine.hub, self._item.client_id, self._node
        with_metadata = hub.supports(sid, "supports_preview_metadata")
        self._progress.update(node_id, value, total)
        self._send_progress_state()
        if image and with_metadata:
            identity = self._progress.identity(node_id)
            hub.publish_bytes(metadata_frame(image, kind, identity), sid)
        event = {"value": value, "max": total, "prompt_id": self._item.prompt_id, "node": node_id}
        hub.publish("progress", event, sid)
        if image and not with_metadata:
            hub.publish_bytes(preview_frame(image, kind), sid)

    def _send_progress_state(self) -> None:
        """Unlike most events, it goes to everyone where the prompt names no client."""
        self._engine.hub.publish("progress_state", self._progress.state(), self._item.client_id)

    def _send_executed(self, node_id: str, ui: Json | None) -> None:
        if self._engine.faults.take(Fault.NO_EXECUTED_EVENT):
            return
        self._send("executed", {"node": node_id, "display_node": node_id, "output": ui})

    def _send(self, event: str, data: Json, broadcast: bool = False) -> None:
        sid = self._item.client_id
        if sid is not None or broadcast:
            self._engine.hub.publish(event, {**data, "prompt_id": self._item.prompt_id}, sid)

    def _message(self, event: str, data: Json, broadcast: bool = False) -> None:
        """An event that the history keeps as well."""
        stamp = {"prompt_id": self._item.prompt_id, "timestamp": int(time.time() * 1000)}
        self._messages.append((event, {**data, **stamp}))
        self._send(event, self._messages[-1][1], broadcast)

    def _place(self) -> Json:
        node_type = self._graph[self._node]["class_type"]
        return {"node_id": self._node, "node_type": node_type, "executed": self._executed}

    def _fail(self, problem: Exception, kind: str, frames: list[str], inputs: object) -> None:
        details = {
            "exception_message": f"{problem}\n" if frames else str(problem),
            "exception_type": kind,
            "traceback": frames,
            "current_inputs": inputs,
            "current_outputs": list(self._graph),
        }
        self._message("execution_error", {**self._place(), **details})


def _shown(value: object) -> object:
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else f"<{type(value).__name__}>"


def _full_name(kind: type[Exception]) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
