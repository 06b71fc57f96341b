"""The README's lines, as a reader copies them, against a running pair with the fake ComfyUI."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.acceptance.processes import ROOT, eventually, pair

README = (ROOT / "README.md").read_text()
WRITTEN = "http://localhost:8000"
"""Where the README's backend listens."""


def block(heading: str, language: str, number: int = 0) -> str:
    """The code block of this language under this heading."""
    section = re.split(r"^#{2,} .*$", README.split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    return str(found[number])


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a backend that makes images."""
    folder = tmp_path_factory.mktemp("pair")
    models = ("--models", "sd_xl_base_1.0.safetensors")
    steps = ("--fault", "previews:always", "--job-seconds", "0.3")
    with pair(folder, engine="comfyui", comfyui=(*models, *steps)) as programs:
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            program.start()
        eventually(lambda: "engine comfyui" in programs.backend.log.read_text())
        yield programs.backend.url


def run(command: list[str], code: str, backend: str, folder: Path) -> str:
    """What it prints."""
    python = Path(sys.executable).parent
    done = subprocess.run(
        [*command, code.replace(WRITTEN, backend)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{python}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bash(code: str, backend: str, folder: Path) -> str:
    return run(["bash", "-euo", "pipefail", "-c"], code, backend, folder)


def python(code: str, backend: str, folder: Path) -> str:
    return run([sys.executable, "-W", "error::SyntaxWarning", "-c"], code, backend, folder)


def test_first_request(backend: str, tmp_path: Path) -> None:
    first = block("Five minutes to a first image", "bash", 1).split("\n\n")[0]
    assert '"status":"queued"' in bash(first, backend, tmp_path)


def test_first_image(backend: str, tmp_path: Path) -> None:
    lines = block("Five minutes to a first image", "bash", 2).split("\n\n")[1]
    bash(lines, backend, tmp_path)
    with Image.open(tmp_path / "image.png") as image:
        assert image.size == (512, 384)


def test_curl(backend: str, tmp_path: Path) -> None:
    printed = bash(block("With curl", "bash"), backend, tmp_path)
    assert "event: done" in printed
    [file] = tmp_path.iterdir()
    with Image.open(file) as image:
        assert image.format == "JPEG"


def test_python(backend: str, tmp_path: Path) -> None:
    python(block("From Python", "python"), backend, tmp_path)
    with Image.open(tmp_path / "image.png") as image:
        assert image.format == "PNG"


def test_openai_client(backend: str, tmp_path: Path) -> None:
    Image.new("RGBA", (1024, 1024), (0, 0, 0, 0)).save(tmp_path / "mask.png")
    printed = python(block("OpenAI's client", "python"), backend, tmp_path)
    assert "image_generation.partial_image" in printed
    assert "image_generation.completed" in printed
    with Image.open(tmp_path / "image.webp") as image:
        assert (image.format, image.size) == ("WEBP", (1024, 1024))
