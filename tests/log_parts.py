"""What a log consists of on disk, while its process renames, compresses and removes parts of it."""

import gzip
from pathlib import Path


def parts(log: Path) -> list[Path]:
    """Those no longer written to, the oldest first.

    Each once: a process may end while it compresses one, or before it removes what it did.
    """
    found = sorted(each for each in log.parent.glob(f"{log.name}.2*") if each.suffix != ".tmp")
    return [each for each in found if Path(f"{each}.gz") not in found]


def all_compressed(log: Path) -> bool:
    return all(each.suffix == ".gz" for each in parts(log)) and not list(log.parent.glob("*.tmp"))


def text_of(file: Path) -> str:
    """Of one part, or of the log itself."""
    return gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()


def written(log: Path) -> str:
    """All that is there; what is compressed meanwhile is looked for anew."""
    while True:
        try:
            return "".join(text_of(file) for file in [*parts(log), log])
        except FileNotFoundError:
            continue


def size_of(log: Path) -> int:
    """Bytes of all that belongs to it; what is renamed or removed meanwhile is looked at anew."""
    while True:
        try:
            return sum(each.stat().st_size for each in log.parent.glob(f"{log.name}*"))
        except FileNotFoundError:
            continue
