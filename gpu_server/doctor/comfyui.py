"""ComfyUI: whether it answers, which one it is, and what it has to do."""

from collections.abc import Mapping
from typing import Any

import httpx

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.config import Engine, Settings
from gpu_server.doctor.finding import Finding, green, red, yellow
from gpu_server.errors import ComfyUIError
from gpu_server.workflows.object_info import ObjectInfo

SUBJECT = "comfyui"
TIMEOUT_SECONDS = 15.0
GIGABYTE = 2**30
SWITCH = "GENERATION_ENGINE=comfyui in gpu_server/.env, then ./startup.sh restart gpu_server"


async def look(settings: Settings) -> tuple[ObjectInfo | None, list[Finding]]:
    """What it has installed, where it answers, and what there is to say of it."""
    # trust_env: a proxy for the world outside is none for ComfyUI beside us.
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as http:
        api = ComfyUIAPI(http, settings.comfyui_api_url)
        wanted = settings.generation_engine is Engine.COMFYUI
        try:
            stats = await api.system_stats()
            running, waiting = await api.queued()
            object_info = ObjectInfo.parse(await api.object_info())
        except ComfyUIError as exc:
            return None, [(red if wanted else yellow)(SUBJECT, exc.message)]
    found = [green(SUBJECT, f"{_version(stats)} at {api.place}, {_devices(stats)}")]
    if waiting:
        text = f"{len(running)} jobs run and {len(waiting)} wait in it"
        found.append(green(SUBJECT, text))
    if not wanted:
        text = "it answers, but the engine is the stub: images are placeholders"
        found.append(yellow("engine", text, SWITCH))
    return object_info, found


def _version(stats: Mapping[str, Any]) -> str:
    system = stats.get("system") or {}
    version = system.get("comfyui_version") or "of an unknown version"
    return f"{version} (PyTorch {system.get('pytorch_version') or 'unknown'})"


def _devices(stats: Mapping[str, Any]) -> str:
    """As ComfyUI sees them: another GPU than the driver's may be among them, or none."""
    told = [
        f"{device.get('name')} with {device.get('vram_free', 0) / GIGABYTE:.1f} of "
        f"{device.get('vram_total', 0) / GIGABYTE:.1f} GB free"
        for device in stats.get("devices") or []
    ]
    return ", ".join(told) or "no device"
