"""What is looked at to tell whether this service is to be sent requests."""

from pathlib import Path
from typing import Protocol

import anyio.to_thread

from gpu_server.comfy_client import ComfyClient
from gpu_server.services.readiness import Check, Sign

COMFYUI_AWAY = "ComfyUI does not answer. Start it, or set COMFYUI_API_URL."
NO_FOLDER = "There is no folder of workflows. Make it, or set WORKFLOWS_PATH."
DEAD = "What listens to ComfyUI has died. Start the GPU service again."
CARELESS = "What takes care of ComfyUI has died. Start the GPU service again."


class Alive(Protocol):
    """What works in the background; `alive` is False once it has died."""

    @property
    def alive(self) -> bool: ...


def comfyui_answers(client: ComfyClient) -> Check:
    """ComfyUI answers."""

    async def check() -> str | None:
        return None if await client.check_health() else COMFYUI_AWAY

    return check


def has_workflows(folder: Path) -> Check:
    """There is a folder to take workflows from."""

    async def check() -> str | None:
        # A share that is away may keep whoever looks at it for ever.
        there = await anyio.to_thread.run_sync(folder.is_dir, abandon_on_cancel=True)
        return None if there else NO_FOLDER

    return check


def still_listens(client: Alive) -> Check:
    """What the engine does in the background goes on."""
    sign = has_died(client)

    async def check() -> str | None:
        return sign()

    return check


def has_died(client: Alive, detail: str = DEAD) -> Sign:
    """It does not, and nobody starts it again but with the process."""
    return lambda: None if client.alive else detail
