"""A new GPU service, tried beside the one that runs: `python -m gpu_server.doctor.check_start`.

It starts with the settings that there are, without ComfyUI and on any free port of
loopback, and stops; the real host and port are only bound. Exits with 0 where that went well, 2
for a wrong setting, 3 where it cannot start, 1 for a bug; the log says which.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from gpu_server.config import Settings, get_settings
from gpu_server.doctor.brief_server import BriefServer
from gpu_server.start_failure import settings_or_exit
from gpu_server.utils.logging import setup_logging

CANNOT_START = 3
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: ComfyUI has nothing to do with it."""


def new_app(settings: Settings, folder: Path) -> FastAPI:
    """What is known of ComfyUI stays as it is, and nothing restarts it."""
    apart = {
        "comfyui_api_url": NOWHERE,
        "comfyui_restart_command": "",
        "object_info_path": folder / "object_info.json",
    }
    # Here, as it reads the settings as soon as it is imported.
    importlib.import_module("gpu_server.server")
    main = importlib.import_module("gpu_server.main")
    app: FastAPI = main.create_app(settings.model_copy(update=apart))
    return app


def main() -> int:
    """The exit code."""
    settings = settings_or_exit(get_settings, "The GPU service", setup_logging)
    with tempfile.TemporaryDirectory() as folder:
        app = new_app(settings, Path(folder))
        config = uvicorn.Config(app, host="127.0.0.1", port=0)
        address = (settings.gpu_server_host, settings.gpu_server_port)
        server = BriefServer(config, "The GPU service", address)
        server.run()
    return 0 if server.started else CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
