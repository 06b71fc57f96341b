"""The folder that the tests run in, which may be an operator's: its `.env` files are not theirs."""

import json
import os
from pathlib import Path

from dotenv import dotenv_values

from backend.config import Settings as BackendSettings
from gpu_server.config import Settings as GPUServerSettings

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {"backend": BackendSettings, "gpu_server": GPUServerSettings}


def clean_environment() -> dict[str, str]:
    """Ours, with the defaults of whatever a `.env` sets.

    A program that is started here would read it: a key would be asked for, an engine run, and
    the tasks of a test kept in somebody's database.
    """
    clean = dict(os.environ)
    for service, settings in SETTINGS.items():
        default = settings(_env_file=None).model_dump(mode="json")
        for key in dotenv_values(ROOT / service / ".env"):
            if key.lower() in default:
                clean[key.upper()] = _text(default[key.lower()])
    return clean


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
