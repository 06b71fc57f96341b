"""What is looked at to tell whether this backend is to be sent requests."""

import asyncio
from typing import Protocol

from backend.services.gpu_services import GPUServices
from backend.services.readiness import Check, Sign
from backend.services.room import Room
from backend.store.task_store import SharedTaskStore, TaskStore

NO_WORKER = "No worker is alive: tasks wait. Start `python -m backend.worker`, one a GPU service."
NO_GPU_SERVICE = "No GPU service answers: tasks wait."
COMFYUI_AWAY = "Start it, or set COMFYUI_API_URL of its GPU service."


class Alive(Protocol):
    """What works in the background; `alive` is False once a part of it has died."""

    @property
    def alive(self) -> bool: ...


def store_answers(store: TaskStore) -> Check:
    """The task store can be asked."""

    async def check() -> None:
        await store.queued()

    return check


def has_room(room: Room) -> Check:
    """The disk has room for another task."""

    async def check() -> None:
        room.check()

    return check


def has_died(working: Alive, what: str) -> Sign:
    """What works in the background has died: nobody starts it again but with the process."""

    def sign() -> str | None:
        return None if working.alive else f"{what} has died. Start the backend again."

    return sign


def still_works(working: Alive, what: str) -> Check:
    """The same to be waited for."""
    sign = has_died(working, what)

    async def check() -> str | None:
        return sign()

    return check


def worker_lives(store: SharedTaskStore) -> Check:
    """A worker is there, somewhere."""

    async def check() -> str | None:
        return None if await store.workers() else NO_WORKER

    return check


def gpu_service_answers(services: GPUServices) -> Check:
    """A GPU service answers."""

    async def check() -> str | None:
        if refusing := [each.client.place for each in services if each.refused]:
            return f"{', '.join(refusing)} takes no request of ours: see GPU_SERVICE_SECRET."
        return None if await services.check_health() else NO_GPU_SERVICE

    return check


def comfyui_answers(services: GPUServices) -> Check:
    """Each GPU service whose engine it is has a ComfyUI that answers."""

    async def check() -> str | None:
        real = [each for each in services if each.engine == "comfyui"]
        up = await asyncio.gather(*(each.client.check_health(with_comfyui=True) for each in real))
        away = [each.client.place for each, answers in zip(real, up, strict=True) if not answers]
        if not away:
            return None
        waits = "tasks wait" if len(away) == len(real) else "tasks go to the others"
        return f"ComfyUI behind {', '.join(away)} does not answer: {waits}. {COMFYUI_AWAY}"

    return check
