"""Where tasks and their images are kept, and how much room is left there."""

import importlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backend.config import Settings
from backend.doctor.finding import Finding, green, red, yellow
from backend.errors import BackendError
from backend.services.styles import read_styles

CONNECT_SECONDS = 5
SOON = 4
"""Times MIN_FREE_MB, below which it is time to do something."""
MEGABYTE, GIGABYTE = 2**20, 2**30


def look(settings: Settings) -> Iterator[Finding]:
    """The data folder, its disk, the database, the styles."""
    yield _folder(settings.data_path)
    yield _disk(settings)
    if settings.database_url:
        yield _database(settings.database_url)
    try:
        read_styles(settings.styles_path)
    except BackendError as exc:
        yield red("styles", exc.message, "mend the file, or set STYLES_PATH")


def _folder(path: Path) -> Finding:
    """By writing into it: a mount may be read-only whatever its rights say."""
    try:
        with tempfile.TemporaryFile(dir=_existing(path)):
            return green("data", f"{path} can be written")
    except OSError as exc:
        way_out = "set another DATA_PATH, or its rights"
        return red("data", f"{path} cannot be written: {exc.strerror}", way_out)


def _existing(path: Path) -> Path:
    """The folder itself, or where it would be made."""
    while not path.exists():
        path = path.parent
    return path


def _disk(settings: Settings) -> Finding:
    total, _, free = shutil.disk_usage(_existing(settings.data_path))
    text = (
        f"{free / GIGABYTE:.1f} GB of {total / GIGABYTE:.0f} GB are free for {settings.data_path}"
    )
    way_out = "free room, or lower RETENTION_GB or RETENTION_DAYS"
    if free < settings.min_free_mb * MEGABYTE:
        return red("disk", f"{text}, less than MIN_FREE_MB: new tasks are refused", way_out)
    if free < SOON * settings.min_free_mb * MEGABYTE:
        return yellow("disk", text, way_out)
    return green("disk", text)


def _database(url: str) -> Finding:
    try:
        psycopg = importlib.import_module("psycopg")
    except ImportError as exc:
        return red("database", f"there is no {exc.name}", "./startup.sh restart installs it")
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as exc:
        said = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        return red("database", f"PostgreSQL does not answer: {said}", "see DATABASE_URL")
    return green("database", f"PostgreSQL {version} answers")
