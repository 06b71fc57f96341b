"""Spec: GPU Service Structure, Directory Layout."""

import subprocess

import pytest

from tests.gpu_server.programs import GPU_SERVER

FILES = [
    "main.py",
    "server.py",
    "config.py",
    "comfy_client.py",
    "requirements.txt",
    ".env.template",
    "workflows/__init__.py",
    "workflows/loader.py",
    "schemas/__init__.py",
    "schemas/generate_request.py",
    "schemas/generate_response.py",
    "services/__init__.py",
    "services/generation.py",
]


@pytest.mark.parametrize("file", FILES)
def test_file_of_the_layout_is_there(file: str) -> None:
    assert (GPU_SERVER / file).is_file()


def test_env_file_is_never_committed() -> None:
    """Spec: Environment Configuration Templates, Usage."""
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", ".env"], cwd=GPU_SERVER, check=False
    )
    assert ignored.returncode == 0
