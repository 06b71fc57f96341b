"""Sends a recording's requests to the fake and writes down what comes back."""

import asyncio
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
from PIL import Image

from tests import plain_http
from tests.fake_comfyui.recorded import Json, recording
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.fakes.client import SECONDS, Listener, listening

Entries = list[Json]

# Jobs that the recording stopped or overtook while they ran. How many sampling steps they
# had made, and where other prompts' `status` fell between their events, was a race in the
# real server: their progress is left out, and `status` is compared apart from the rest.
# What holds the fake's job meanwhile, so that it still runs when the requests come; a deaf
# one where the recorded interrupt took effect late, at the end of a long step:
HELD = {
    ("0.3.64", "interrupt_running"): "hang",
    ("0.33.0", "interrupt_running"): "hang",
    ("0.3.64", "delete_queued"): "hang",
    ("0.33.0", "delete_queued"): "hang",
    ("0.3.64", "jobs_api"): "hang_deaf",
    ("0.33.0", "jobs_api"): "hang_deaf",
    ("0.3.64", "same_prompt_id_twice"): "hang_deaf",
    ("0.33.0", "same_prompt_id_twice"): "hang",
}
# Here all prompts are sent before the job goes on; the recording was faster than its job.
RELEASED_AFTER_POSTS = "same_prompt_id_twice"


def is_raced(version: str, scenario: str) -> bool:
    return (version, scenario) in HELD


def answers(entries: Entries) -> Entries:
    return [entry["http"] for entry in entries if "http" in entry]


def messages(entries: Entries) -> Entries:
    return [entry for entry in entries if "http" not in entry]


def statuses(entries: Entries) -> Entries:
    return [one for one in entries if _is_status(one)]


def _is_status(entry: Json) -> bool:
    return "ws" in entry and bool(entry["ws"]["type"] == "status")


def _is_sampling(entry: Json) -> bool:
    """Progress within a node, as opposed to its start and end."""
    event = entry.get("ws", {})
    if event.get("type") == "progress_state":
        nodes = event["data"]["nodes"].values()
        return any(node["state"] == "running" and node["value"] > 0 for node in nodes)
    return bool(event.get("type") == "progress")


def milestones(entries: Entries) -> Entries:
    return [one for one in messages(entries) if not _is_status(one) and not _is_sampling(one)]


async def replay(version: str) -> dict[str, Entries]:
    """Every scenario of a recording, in its order, against one fake of that version."""
    scenarios = recording(version)
    options: Json = {"version": version, "models": ("random-sd15.safetensors",)}
    options |= {"loras": (), "upscale_models": (), "controlnets": ()}
    async with running_fake(**options) as fake:
        fake.number = _first_number(scenarios)
        client_id = scenarios["discovery"][0]["ws"]["data"]["sid"]
        features = {"supports_preview_metadata": True}
        async with (
            plain_http.AsyncClient(base_url=fake.url, timeout=SECONDS) as http,
            listening(fake, client_id, features) as listener,
        ):
            player = Player(version, fake, http, listener)
            return {name: await player.play(name, entries) for name, entries in scenarios.items()}


class Player:
    def __init__(
        self, version: str, fake: FakeComfyUI, http: httpx.AsyncClient, listener: Listener
    ) -> None:
        self._version = version
        self._fake = fake
        self._http = http
        self._listener = listener
        self._seen = 0

    async def play(self, scenario: str, recorded: Entries) -> Entries:
        """Each request once everything that the recording had seen by then is there."""
        held = HELD.get((self._version, scenario))
        if held is not None:
            self._fake.faults.set(held, count=1)
        answered: Entries = []
        posts = sum(one["path"] == "/prompt" for one in answers(recorded))
        for index, entry in enumerate(recorded):
            if "http" in entry:
                if scenario != RELEASED_AFTER_POSTS or not posts:
                    await self._catch_up(recorded[:index])
                answered.append({"http": await self._request(entry["http"])})
                posts -= entry["http"]["path"] == "/prompt"
                if scenario == RELEASED_AFTER_POSTS and not posts:
                    self._fake.faults.clear()
        await self._catch_up(recorded)
        await self._until_seen(recorded, statuses)
        received = self._received()
        self._seen = len(self._listener.messages)
        return answered + received

    async def _catch_up(self, recorded: Entries) -> None:
        if any(entry.get("ws", {}).get("type") == "execution_interrupted" for entry in recorded):
            self._fake.faults.clear()
        await self._until_seen(recorded, milestones)

    def _received(self) -> Entries:
        return [_as_entry(message) for message in self._listener.messages[self._seen :]]

    async def _until_seen(self, recorded: Entries, pick: Callable[[Entries], Entries]) -> None:
        wanted = len(pick(recorded))
        await self._fake.until(lambda: len(pick(self._received())) >= wanted, SECONDS)

    async def _request(self, recorded: Json) -> Json:
        request = self._http.build_request(
            recorded["method"],
            recorded["path"],
            params=recorded["params"],
            **_body(recorded),
        )
        answer = await self._http.send(request)
        content_type = answer.headers.get("content-type")
        return {
            "path": recorded["path"],
            "status": answer.status_code,
            "content_type": content_type,
            "body": _answer_body(answer, content_type),
        }


def _first_number(scenarios: dict[str, Entries]) -> int:
    number: int = answers(scenarios["image_ok"])[0]["body"]["number"]
    return number


def _as_entry(message: Any) -> Json:
    if isinstance(message, bytes):
        kind = int.from_bytes(message[:4], "big")
        return {"ws_binary": {"head_hex": message[:16].hex(), "type": kind}}
    return {"ws": message}


def _answer_body(answer: httpx.Response, content_type: str | None) -> Any:
    if content_type is not None and content_type.startswith("application/json"):
        return answer.json()
    if content_type == "image/png":
        assert Image.open(io.BytesIO(answer.content)).format == "PNG"
        return f"<{len(answer.content)} bytes of PNG>"
    return answer.text


def _body(recorded: Json) -> Json:
    if "form" in recorded:
        return _multipart(recorded["form"])
    if recorded["request_json"] is not None:
        return {"content": json.dumps(recorded["request_json"])}
    if recorded["path"] == "/prompt" and recorded["method"] == "POST":
        return {"content": "this is not JSON"}
    return {}


def _multipart(form: dict[str, str]) -> Json:
    """The pictures are known by size alone; equal sizes were equal pictures.

    The recording client percent-encoded file names, which is why `../` did no harm.
    """
    named = re.fullmatch(r"<(\d+) bytes as (.*)>", form["image"])
    assert named is not None
    content = _picture(int(named[1]))
    fields = {name: value for name, value in form.items() if name != "image"}
    return {"files": {"image": (quote(named[2], safe=" ()"), content)}, "data": fields}


def _picture(size: int) -> bytes:
    if size == 18:
        return b"\x89PNG\r\n\x1a\n" + b"not a real"
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (size, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


@cache
def attempt(version: str) -> dict[str, Entries] | Exception:
    """One replay per version for all tests, a failed one too: each would wait in vain.

    In a thread, as asyncio.run takes the event loop of its thread away from pytest-asyncio.
    """
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, replay(version)).result()
    except (TimeoutError, AssertionError, httpx.HTTPError) as error:
        return error
