"""Spec: GPU Service Structure, Dependencies."""

import re

import pytest

from tests.gpu_server.programs import GPU_SERVER

CORE = [
    "fastapi",
    "uvicorn[standard]",
    "httpx",
    "python-dotenv",
    "pydantic",
    "pydantic-settings",
]


def requirements() -> dict[str, str]:
    """Package, extras included, to the versions it may have."""
    lines = (GPU_SERVER / "requirements.txt").read_text().splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines]
    split = [re.match(r"([\w.-]+(?:\[\w+\])?)\s*(.*)", line) for line in wanted if line]
    return {found[1]: found[2] for found in split if found}


@pytest.mark.parametrize("package", CORE)
def test_core_dependency_is_listed(package: str) -> None:
    assert package in requirements()


def test_every_version_is_bounded_from_below_and_above() -> None:
    """Spec: Version Pinning, "compatible release specifiers"."""
    unbounded = {
        package: versions
        for package, versions in requirements().items()
        if "~=" not in versions and not (">=" in versions and "<" in versions)
    }
    assert unbounded == {}
