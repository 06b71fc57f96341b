"""The GPU, as the driver's own program tells it."""

import shutil
import subprocess
from collections.abc import Iterator

from gpu_server.doctor.finding import Finding, green, red, yellow

SUBJECT = "gpu"
PROGRAM = "nvidia-smi"
FIELDS = "name,driver_version,memory.total,memory.used,temperature.gpu"
TIMEOUT_SECONDS = 10
FULL = 0.95
"""Share of the VRAM, above which the next model will hardly fit."""


def look() -> Iterator[Finding]:
    """One finding for each GPU."""
    program = shutil.which(PROGRAM)
    if program is None:
        yield yellow(SUBJECT, f"there is no {PROGRAM}, so nothing is known of it")
        return
    command = [program, f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(  # noqa: S603 - no word of it comes from outside
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        yield red(SUBJECT, f"{PROGRAM} does not answer: {exc}", "rent another pod, or restart it")
        return
    if told.returncode != 0:
        said = (told.stdout + told.stderr).strip() or f"exit status {told.returncode}"
        yield red(SUBJECT, f"{PROGRAM} fails: {said}", "rent another pod, or restart it")
        return
    for line in told.stdout.splitlines():
        yield _gpu([field.strip() for field in line.split(",")])


def _gpu(fields: list[str]) -> Finding:
    """Some say `[N/A]` of what they do not know."""
    name, driver, total, used, temperature = (*fields, "", "", "", "", "")[:5]
    text = f"{name}, driver {driver}, {used} of {total} MB VRAM used, {temperature} °C"
    if total.isdigit() and used.isdigit() and int(used) > FULL * int(total):
        way_out = "unload models in ComfyUI, or see FREE_VRAM_AFTER_MINUTES"
        return yellow(SUBJECT, text, way_out)
    return green(SUBJECT, text)
