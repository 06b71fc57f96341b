"""The stored copies of both OpenAPI documents: `python -m tests.openapi` writes them anew."""

import json
from pathlib import Path
from typing import Any

import fastapi

import backend.config
import backend.main
import gpu_server.config
import gpu_server.main

HERE = Path(__file__).parent
STORED = {
    "backend": HERE / "backend" / "openapi.json",
    "gpu_server": HERE / "gpu_server" / "openapi.json",
}
MADE_WITH = "x-fastapi"
"""Which version of the framework rendered it: each does so a little differently."""


def document(service: str) -> dict[str, Any]:
    """The service's document as it is now."""
    if service == "backend":
        app = backend.main.create_app(backend.config.Settings(_env_file=None))
    else:
        app = gpu_server.main.create_app(gpu_server.config.Settings(_env_file=None))
    return {**app.openapi(), MADE_WITH: fastapi.__version__}


def main() -> None:
    """Write both."""
    for service, path in STORED.items():
        text = json.dumps(document(service), indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()
