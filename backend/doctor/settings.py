"""The `.env`: keys that nobody reads, values that are wrong, and who may read the secrets."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import SettingsError

from backend.config import HERE, Settings
from backend.doctor.finding import Finding, green, red, yellow
from backend.start_failure import SECRET, what_is_wrong

SUBJECT = "backend/.env"
FILE = HERE / ".env"
FOREIGN = ("AWS_",)
"""Beginnings of keys that are read from here by others."""
LIKENESS = 0.6


def look(file: Path = FILE) -> tuple[Settings | None, list[Finding]]:
    """The settings, where they are sound, and what there is to say of them."""
    found = [*_keys(file), *_rights(file)]
    settings: Settings | None = None
    try:
        settings = Settings(_env_file=file)
    except (ValidationError, SettingsError) as exc:
        change = "change it there, or in the environment"
        found += [red(SUBJECT, wrong, change) for wrong in what_is_wrong(exc)]
    if not file.is_file():
        found.append(yellow(SUBJECT, "is not there: all is as by default", "./startup.sh makes it"))
    elif not found:
        found.append(green(SUBJECT, "every key is known, every value allowed"))
    return settings, found


def _keys(file: Path) -> Iterator[Finding]:
    known = [name.upper() for name in Settings.model_fields]
    for key in dotenv_values(file):
        if key.upper() in known or key.startswith(FOREIGN):
            continue
        nearest = difflib.get_close_matches(key.upper(), known, n=1, cutoff=LIKENESS)
        way_out = f"write {nearest[0]}" if nearest else "remove it"
        said = f"{key} is no setting of the backend, and changes nothing"
        yield yellow(SUBJECT, said, way_out)


def _rights(file: Path) -> Iterator[Finding]:
    """Only where there is something to hide."""
    secrets = [key for key, value in dotenv_values(file).items() if value and SECRET.search(key)]
    if secrets and file.stat().st_mode & 0o044:
        said = f"everybody on this machine can read it, and {secrets[0]} in it"
        yield yellow(SUBJECT, said, f"chmod 600 {file}")
