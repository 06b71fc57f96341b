"""A new backend, tried beside the one that runs: `python -m backend.doctor.check_start`.

It starts with the settings that there are, on an empty data folder and on any free port of
loopback, and stops. Exits with 0 where that went well, 2 for a wrong setting, 3 where it cannot
start, 1 for a bug; the log says which.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from backend.config import Settings, get_settings
from backend.start_failure import settings_or_exit
from backend.utils.logging import setup_logging

CANNOT_START = 3
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: the GPU service has nothing to do with it."""


class BriefServer(uvicorn.Server):
    """Ends as soon as it has started. `started` then says whether it did."""

    async def main_loop(self) -> None:
        """There is nothing to serve."""


def new_app(settings: Settings, folder: Path) -> FastAPI:
    """Nothing of the real data is touched, nor its database."""
    for given, module in (
        (settings.database_url, "backend.store.postgresql.store"),
        (settings.outputs_url, "backend.store.outputs.s3"),
    ):
        if given:
            importlib.import_module(module)
    apart = {"data_path": folder, "database_url": "", "outputs_url": "", "gpu_service_url": NOWHERE}
    # Here, as it reads the settings as soon as it is imported.
    main = importlib.import_module("backend.main")
    app: FastAPI = main.create_app(settings.model_copy(update=apart))
    return app


def main() -> int:
    """The exit code."""
    settings = settings_or_exit(get_settings, "The backend", setup_logging)
    with tempfile.TemporaryDirectory() as folder:
        app = new_app(settings, Path(folder))
        server = BriefServer(uvicorn.Config(app, host="127.0.0.1", port=0))
        server.run()
    return 0 if server.started else CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
