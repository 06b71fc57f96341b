"""The GPU, as the doctor tells it."""

from pathlib import Path

import pytest

from gpu_server.doctor.finding import Finding, Level
from gpu_server.doctor.gpu import look


def with_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> list[Finding]:
    """What is found where `nvidia-smi` is this shell script."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return list(look())


def test_each_gpu_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """echo "$@" > "$(dirname "$0")/asked"
echo "NVIDIA H100 80GB HBM3, 550.90.07, 81559, 4096, 41"
echo "NVIDIA L4, 550.90.07, [N/A], [N/A], [N/A]"
"""
    first, second = with_driver(tmp_path, monkeypatch, script)
    assert (first.level, second.level) == (Level.GREEN, Level.GREEN)
    assert first.text == (
        "NVIDIA H100 80GB HBM3, driver 550.90.07, 4096 of 81559 MB VRAM used, 41 °C"
    )
    assert "--query-gpu=name,driver_version" in (tmp_path / "asked").read_text()


def test_a_full_vram_is_yellow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [finding] = with_driver(tmp_path, monkeypatch, 'echo "L4, 550.1, 24000, 23900, 70"')
    assert finding.level is Level.YELLOW


def test_a_driver_that_fails_is_red_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18'
    [finding] = with_driver(tmp_path, monkeypatch, script)
    assert finding.level is Level.RED
    assert "version mismatch" in finding.text


def test_a_machine_without_a_driver_is_yellow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [finding] = look()
    assert finding.level is Level.YELLOW
