"""A new backend, tried beside the one that runs: `python -m backend.doctor.check_start SERVICE`.

It starts with the settings that there are, on an empty data folder and on any free port of
loopback, and stops. The real ones are only looked at; a worker listens nowhere. Exits with 0 where
that went well, 2 for a wrong setting, 3 where it cannot start, 1 for a bug; the log says which.
"""

import importlib
import logging
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from backend.config import Settings, get_settings
from backend.doctor.brief_server import BriefServer
from backend.errors import BackendError
from backend.start_failure import settings_or_exit
from backend.store.sqlite.file import DataFolder
from backend.utils.logging import setup_logging

log = logging.getLogger(__name__)

CANNOT_START = 3
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: the GPU service has nothing to do with it."""


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


def has_sound_data(settings: Settings) -> bool:
    """Whether the real data folder would be taken; a database is not asked."""
    try:
        if not settings.database_url:
            DataFolder(settings.data_path).check()
    except BackendError as exc:
        log.critical("The backend cannot start: %s", exc)
        return False
    return True


def main(service: str) -> int:
    """The exit code."""
    settings = settings_or_exit(get_settings, "The backend", setup_logging)
    with tempfile.TemporaryDirectory() as folder:
        app = new_app(settings, Path(folder))
        config = uvicorn.Config(app, host="127.0.0.1", port=0)
        address = (settings.backend_host, settings.backend_port)
        server = BriefServer(config, "The backend", None if service == "worker" else address)
        server.run()
    return 0 if server.started and has_sound_data(settings) else CANNOT_START


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
