"""The files that the specification names, and what they install."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

BACKEND = Path(__file__).resolve().parents[2] / "backend"
SPEC_FILES = [
    "main.py",
    "config.py",
    "requirements.txt",
    ".env.template",
    "routers/__init__.py",
    "routers/health.py",
    "routers/generate.py",
    "schemas/__init__.py",
    "schemas/request_generate.py",
    "schemas/response_generate.py",
    "services/__init__.py",
    "services/generation_router.py",
    "clients/__init__.py",
    "clients/gpu_client.py",
    "utils/__init__.py",
    "utils/logging.py",
]
SPEC_PACKAGES = [
    "fastapi",
    "uvicorn[standard]",
    "httpx",
    "python-dotenv",
    "pydantic",
    "pydantic-settings",
]


def requirements() -> list[Requirement]:
    lines = (BACKEND / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("path", SPEC_FILES)
def test_file_is_where_the_specification_has_it(path: str) -> None:
    """Spec: Backend API Structure, Directory Layout."""
    assert (BACKEND / path).is_file()


@pytest.mark.parametrize("package", SPEC_PACKAGES)
def test_package_is_required(package: str) -> None:
    """Spec: Backend API Structure, Dependencies."""
    wanted = Requirement(package)
    assert (wanted.name, wanted.extras) in [(each.name, each.extras) for each in requirements()]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda each: each.name)
def test_pin_is_compatible_release_or_bounded(requirement: Requirement) -> None:
    """Spec: Backend API Structure, Dependencies, Version Pinning."""
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators in ({"~="}, {">=", "<"})
