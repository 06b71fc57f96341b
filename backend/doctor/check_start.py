"""A new backend, tried beside the one that runs: `python -m backend.doctor.check_start`.

It starts with the settings that there are, on an empty data folder and no port, and stops. Exits
with 0 where that went well, 2 for a wrong setting, 3 where it cannot start, 1 for a bug.
"""

import asyncio
import importlib
import logging
import sys
import tempfile
from pathlib import Path

from backend.config import Settings, get_settings
from backend.errors import BackendError
from backend.start_failure import settings_or_exit
from backend.utils.logging import setup_logging

log = logging.getLogger("backend.doctor")

CANNOT_START = 3
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: the GPU service has nothing to do with it."""


async def start_and_stop(settings: Settings, folder: Path) -> None:
    """Raises what the start raises. Nothing of the real data is touched, nor its database."""
    for given, module in (
        (settings.database_url, "backend.store.postgresql.store"),
        (settings.outputs_url, "backend.store.outputs.s3"),
    ):
        if given:
            importlib.import_module(module)
    apart = {"data_path": folder, "database_url": "", "outputs_url": "", "gpu_service_url": NOWHERE}
    # Here, as it reads the settings as soon as it is imported.
    main = importlib.import_module("backend.main")
    app = main.create_app(settings.model_copy(update=apart))
    async with app.router.lifespan_context(app):
        log.info("The backend would start")


def main() -> int:
    """The exit code."""
    settings = settings_or_exit(get_settings, "The backend", setup_logging)
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(start_and_stop(settings, Path(folder)))
    except BackendError as exc:
        log.critical("The backend cannot start: %s", exc)
        return CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
