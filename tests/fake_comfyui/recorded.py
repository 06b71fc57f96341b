"""The fixed parts of a server's answers, taken from its recording."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recorded:
    system_stats: Json
    features: Json
    model_folders: list[str]
    object_info: dict[str, Json]


def recording(version: str) -> dict[str, list[Json]]:
    """Every recorded scenario of one version."""
    text = (RECORDINGS / f"comfyui-{version}.json").read_text(encoding="utf-8")
    scenarios: dict[str, list[Json]] = json.loads(text)
    return scenarios


@cache
def recorded(version: str) -> Recorded:
    exchanges = [entry["http"] for entry in recording(version)["discovery"] if "http" in entry]
    bodies = {exchange["path"]: exchange["body"] for exchange in exchanges}
    object_info: dict[str, Json] = {}
    for path, body in bodies.items():
        if path.startswith("/object_info/"):
            object_info.update(body)
    return Recorded(
        system_stats=bodies["/system_stats"],
        features=bodies["/features"],
        model_folders=bodies["/models"],
        object_info=object_info,
    )
