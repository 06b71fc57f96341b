"""The second way to start the GPU service: `python server.py`, on the settings' host and port."""

import sys
from pathlib import Path

# Started from inside this folder, as the specification has it, the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvicorn

from gpu_server.config import get_settings
from gpu_server.main import app
from gpu_server.utils.logging import start_process_logging


def main() -> None:
    """Serve until a signal comes."""
    settings = get_settings()
    start_process_logging(settings)
    uvicorn.run(app, host=settings.gpu_server_host, port=settings.gpu_server_port, log_config=None)


if __name__ == "__main__":
    main()
