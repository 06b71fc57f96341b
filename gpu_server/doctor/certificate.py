"""The TLS certificate, where there is one: whether it can be used, and for how long."""

import time
from collections.abc import Iterator
from pathlib import Path

from gpu_server.config import Settings
from gpu_server.doctor.finding import Finding, green, red, yellow
from gpu_server.errors import TLSUnusable
from gpu_server.tls import DAY, SOON, usable

SUBJECT = "certificate"


def look(settings: Settings) -> Iterator[Finding]:
    """Nothing where the GPU service speaks plain HTTP."""
    if not settings.tls_cert_file and not settings.tls_key_file:
        return
    try:
        _, end = usable(Path(settings.tls_cert_file), Path(settings.tls_key_file))
    except TLSUnusable as exc:
        yield red(SUBJECT, exc.message, "see TLS_CERT_FILE and TLS_KEY_FILE in gpu_server/.env")
        return
    left = end - time.time()
    text = f"{settings.tls_cert_file} is good for another {left / DAY:.0f} days"
    yield yellow(SUBJECT, text, "renew it") if left < SOON else green(SUBJECT, text)
