"""A new GPU service, tried beside the one that runs: `python -m gpu_server.doctor.check_start`.

It starts with the settings that there are, without ComfyUI and a port, and stops. Exits with 0
where that went well, 2 for a wrong setting, 3 where it cannot start, 1 for a bug.
"""

import asyncio
import importlib
import logging
import sys
import tempfile
from pathlib import Path

from gpu_server.config import Settings, get_settings
from gpu_server.errors import GPUServiceError
from gpu_server.start_failure import settings_or_exit
from gpu_server.utils.logging import setup_logging

log = logging.getLogger("gpu_server.doctor")

CANNOT_START = 3
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: ComfyUI has nothing to do with it."""


async def start_and_stop(settings: Settings, folder: Path) -> None:
    """Raises what the start raises. What is known of ComfyUI stays as it is."""
    apart = {
        "comfyui_api_url": NOWHERE,
        "comfyui_restart_command": "",
        "object_info_path": folder / "object_info.json",
    }
    # Here, as it reads the settings as soon as it is imported.
    importlib.import_module("gpu_server.server")
    main = importlib.import_module("gpu_server.main")
    app = main.create_app(settings.model_copy(update=apart))
    async with app.router.lifespan_context(app):
        log.info("The GPU service would start")


def main() -> int:
    """The exit code."""
    settings = settings_or_exit(get_settings, "The GPU service", setup_logging)
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(start_and_stop(settings, Path(folder)))
    except GPUServiceError as exc:
        log.critical("The GPU service cannot start: %s", exc)
        return CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
