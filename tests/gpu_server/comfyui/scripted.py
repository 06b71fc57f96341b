"""A ComfyUI whose answers a test writes itself, for what neither recorded version does."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import respx

from tests.fake_comfyui.catalog import Catalog
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.options import FakeOptions

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
"""The smallest PNG."""
FILE = {"filename": "a.png", "subfolder": "", "type": "output"}


def node_classes() -> dict[str, Any]:
    """What `/object_info` says of the classes in the recordings."""
    files = Files()
    try:
        catalog = Catalog(FakeOptions(), files)
        return {name: catalog.info(name) for name in catalog.names()}
    finally:
        files.remove()


class ScriptedComfyUI:
    """Answers at `url` while respx is active; there is no websocket.

    `on_prompt` decides over each submission. What it accepts runs until a test finishes it.
    """

    def __init__(
        self, router: respx.Router, url: str, on_prompt: Callable[[dict[str, Any]], httpx.Response]
    ) -> None:
        self.submissions: list[dict[str, Any]] = []
        self.accepted: list[str] = []
        self.entries: dict[str, dict[str, Any]] = {}
        self.looked_for: list[str] = []
        self._on_prompt = on_prompt
        router.get(f"{url}/system_stats").respond(json={})
        router.get(f"{url}/object_info").respond(json=node_classes())
        router.get(f"{url}/queue").mock(side_effect=self._queue)
        router.get(url__startswith=f"{url}/history/").mock(side_effect=self._history)
        router.get(url__startswith=f"{url}/view").respond(content=PIXEL)
        router.post(f"{url}/prompt").mock(side_effect=self._prompt)

    @staticmethod
    def accept(body: dict[str, Any]) -> httpx.Response:
        """The answer to a submission that will run."""
        answer = {"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}}
        return httpx.Response(200, json=answer)

    def finish(self, prompt_id: str, outputs: dict[str, Any]) -> None:
        """Put a success into the history."""
        status = {"status_str": "success", "completed": True, "messages": []}
        self.entries[prompt_id] = {"outputs": outputs, "status": status}

    def _prompt(self, request: httpx.Request) -> httpx.Response:
        self.submissions.append(json.loads(request.content))
        answer = self._on_prompt(self.submissions[-1])
        if answer.status_code == 200:
            self.accepted.append(answer.json()["prompt_id"])
        return answer

    def _queue(self, _: httpx.Request) -> httpx.Response:
        running = [each for each in self.accepted if each not in self.entries]
        items = [[1, prompt_id, {}, {}, []] for prompt_id in running]
        return httpx.Response(200, json={"queue_running": items, "queue_pending": []})

    def _history(self, request: httpx.Request) -> httpx.Response:
        prompt_id = request.url.path.rpartition("/")[2]
        self.looked_for.append(prompt_id)
        found = {prompt_id: self.entries[prompt_id]} if prompt_id in self.entries else {}
        return httpx.Response(200, json=found)
