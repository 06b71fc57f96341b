"""All that takes care of ComfyUI, as the settings say."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from gpu_server.background import BackgroundLoop
from gpu_server.care.restart import RestartCommand, environment_for_a_command
from gpu_server.care.vram import IdleVRAM
from gpu_server.care.warm_up import WarmUp
from gpu_server.care.watch import ComfyUIWatch
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.comfyui.definitions import NodeDefinitions
from gpu_server.config import Settings
from gpu_server.services.jobs import JobService
from gpu_server.workflows.folder import WorkflowFolder

RESTART_OUTPUT = "comfyui_restart.log"


class Caretaker:
    """Everything is at work while it is entered."""

    def __init__(self, watch: ComfyUIWatch, *others: BackgroundLoop) -> None:
        self.watch = watch
        self._loops: tuple[BackgroundLoop, ...] = (watch, *others)
        self._stack = AsyncExitStack()

    @property
    def alive(self) -> bool:
        """Whether all of it is."""
        return all(loop.alive for loop in self._loops)

    async def __aenter__(self) -> "Caretaker":
        for loop in self._loops:
            await self._stack.enter_async_context(loop)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()


def told_in_vain(settings: Settings) -> list[str]:
    """The settings that ask for care which the stub has no use for."""
    asked = {
        "WARMUP_WORKFLOW": settings.warmup_workflow,
        "FREE_VRAM_AFTER_MINUTES": settings.free_vram_after_minutes,
        "COMFYUI_RESTART_COMMAND": settings.comfyui_restart_command,
    }
    return [name for name, value in asked.items() if value]


def caretaker(
    settings: Settings,
    api: ComfyUIAPI,
    jobs: JobService,
    folder: WorkflowFolder,
    definitions: NodeDefinitions,
    connected: asyncio.Event,
    restarted: Callable[[], None],
) -> Caretaker:
    """Watches in any case; the rest where a setting asks for it. `restarted` is told of each."""
    others: list[BackgroundLoop] = []
    if settings.warmup_workflow:
        others.append(WarmUp(settings.warmup_workflow, jobs, api, folder, definitions, connected))
    if settings.free_vram_after_minutes:
        others.append(IdleVRAM(api, jobs, settings.free_vram_after_minutes * 60))
    watch = ComfyUIWatch(api, settings.comfyui_dead_after, _restart(settings), restarted=restarted)
    return Caretaker(watch, *others)


def _restart(settings: Settings) -> RestartCommand | None:
    if not settings.comfyui_restart_command:
        return None
    return RestartCommand(
        settings.comfyui_restart_command,
        settings.object_info_path.parent / RESTART_OUTPUT,
        environment_for_a_command(os.environ, Settings.model_fields),
    )
