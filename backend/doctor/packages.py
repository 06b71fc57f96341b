"""The packages of this environment against the requirements.

Imports nothing but the library that reads requirements: with a package missing, this still tells
which one.
"""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from backend.doctor.finding import Finding, green, red

SUBJECT = "packages"
WAY_OUT = "./startup.sh restart installs what is missing; else remove venv/ and start"
SHOWN = 3


def look(files: list[Path]) -> list[Finding]:
    """What the files ask for, and what that again asks for."""
    seen: set[tuple[str, str]] = set()
    missing: list[str] = []
    for file in files:
        for requirement in _requirements(file):
            missing += _missing(requirement, f"{file.parent.name}/{file.name}", seen)
    if not missing:
        return [green(SUBJECT, f"{len({name for name, _ in seen})} are there as required")]
    more = f", and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return [red(SUBJECT, "; ".join(missing[:SHOWN]) + more, WAY_OUT)]


def _requirements(file: Path) -> Iterator[Requirement]:
    """Lines that name a package; pip's options and paths are pip's to know."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.partition(" #")[0].strip()
        if text and not text.startswith(("#", "-", ".", "/")):
            try:
                yield Requirement(text)
            except InvalidRequirement:
                continue


def _missing(
    requirement: Requirement, asked_by: str, seen: set[tuple[str, str]], extra: str = ""
) -> Iterator[str]:
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        return
    name = canonicalize_name(requirement.name)
    found = _installed(name)
    if found is None:
        yield f"{requirement.name} is not installed ({asked_by})"
        return
    if not requirement.specifier.contains(found.version, prereleases=True):
        yield f"{name} is {found.version}, wanted is {requirement.specifier} ({asked_by})"
    for wanted in ("", *requirement.extras):
        if (name, wanted) not in seen:
            seen.add((name, wanted))
            for each in found.requires or ():
                yield from _missing(Requirement(each), name, seen, wanted)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
