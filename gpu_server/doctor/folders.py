"""The folders that the GPU service reads and writes."""

import os
from collections.abc import Iterator
from pathlib import Path

from gpu_server.config import Engine, Settings
from gpu_server.doctor.finding import Finding, green, red, yellow

SUBJECT = "folders"


def look(settings: Settings) -> Iterator[Finding]:
    """What is missing or closed; one finding where nothing is."""
    workflows = settings.workflows_path
    needed = settings.generation_engine is Engine.COMFYUI
    found: list[Finding] = []
    if not (workflows.is_dir() and os.access(workflows, os.R_OK | os.X_OK)):
        say = red if needed else yellow
        found.append(say(SUBJECT, f"{workflows} is no folder to read", "set WORKFLOWS_PATH"))
    if not settings.models_path.is_dir():
        way_out = "make it, or set MODELS_PATH"
        found.append(yellow(SUBJECT, f"{settings.models_path} is no folder", way_out))
    kept = settings.object_info_path.parent
    if not os.access(_existing(kept), os.W_OK):
        found.append(yellow(SUBJECT, f"{kept} cannot be written", "set OBJECT_INFO_PATH"))
    yield from found or [
        green(SUBJECT, f"workflows in {workflows}, models in {settings.models_path}")
    ]


def _existing(path: Path) -> Path:
    """The folder itself, or where it would be made."""
    while not path.exists():
        path = path.parent
    return path
