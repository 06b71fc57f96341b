"""The folder that the tests run in, which may be an operator's: its `.env` is not theirs."""

import json
import os
from pathlib import Path

from dotenv import dotenv_values

from backend.config import Settings as BackendSettings
from gpu_server.config import Settings as GPUServerSettings

SETTINGS = {"backend": BackendSettings, "gpu_server": GPUServerSettings}


def environment_in(folder: Path) -> dict[str, str]:
    """Ours, with the defaults of whatever a `.env` in this service's folder sets.

    A program that is started there would read it: a key would be asked for, an engine run, and
    the tasks of a test kept in somebody's database.
    """
    settings = SETTINGS.get(folder.name)
    if settings is None:
        return dict(os.environ)
    default = settings(_env_file=None).model_dump(mode="json")
    written = [key for key in dotenv_values(folder / ".env") if key.lower() in default]
    return {**os.environ, **{key.upper(): _text(default[key.lower()]) for key in written}}


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
