"""What ComfyUI's nodes are: its `/object_info`, kept in memory and on disk.

On disk, so that schemas exist while ComfyUI is away.
"""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import anyio.to_thread

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.errors import ComfyUIError
from gpu_server.workflows.object_info import ObjectInfo

log = logging.getLogger(__name__)

OLD_SECONDS = 3.0
"""How old the copy must be before a doubt about a value is worth asking again."""


class NodeDefinitions:
    """The newest copy. `current` is None until there has ever been one."""

    def __init__(self, api: ComfyUIAPI, path: Path) -> None:
        self._api = api
        self._path = path
        self._asked_at = -OLD_SECONDS
        self.current: ObjectInfo | None = None
        self.version = 0
        """Grows whenever `current` becomes another one."""

    async def load(self) -> None:
        """Take the copy on disk, if there is a readable one."""
        body = await anyio.to_thread.run_sync(self._read)
        if body is not None:
            self._become(ObjectInfo.parse(body))

    async def refresh(self) -> None:
        """Ask ComfyUI; where it does not answer, the copy stays."""
        self._asked_at = time.monotonic()
        try:
            body = await self._api.object_info()
        except ComfyUIError as exc:
            log.warning("ComfyUI's node definitions are not to be had: %s", exc.message)
            return
        info = await anyio.to_thread.run_sync(self._take, body)
        if info != self.current:
            self._become(info)
            log.info("ComfyUI has %d node classes", len(info.classes))

    def _become(self, info: ObjectInfo) -> None:
        self.current = info
        self.version += 1

    async def refresh_if_old(self) -> bool:
        """Ask ComfyUI, unless that was done a moment ago; whether it was asked."""
        if time.monotonic() - self._asked_at < OLD_SECONDS:
            return False
        await self.refresh()
        return True

    def _take(self, body: dict[str, Any]) -> ObjectInfo:
        info = ObjectInfo.parse(body)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
            temporary.write_text(json.dumps(body))
            temporary.replace(self._path)
        except OSError as exc:
            log.warning("ComfyUI's node definitions cannot be kept on disk: %s", exc)
        return info

    def _read(self) -> dict[str, Any] | None:
        try:
            body = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            log.warning("%s cannot be read, and is asked for anew: %s", self._path, exc)
            return None
        return body if isinstance(body, dict) else None
