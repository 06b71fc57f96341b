"""The TLS certificate, where there is one: whether it can be used, and for how long."""

import time
from collections.abc import Iterator
from pathlib import Path

from backend.config import Settings
from backend.doctor.finding import Finding, green, red, yellow
from backend.errors import TLSUnusable
from backend.tls import DAY, SOON, usable

SUBJECT = "certificate"


def look(settings: Settings) -> Iterator[Finding]:
    """Nothing where the backend speaks plain HTTP."""
    if not settings.tls_cert_file and not settings.tls_key_file:
        return
    try:
        _, end = usable(Path(settings.tls_cert_file), Path(settings.tls_key_file))
    except TLSUnusable as exc:
        yield red(SUBJECT, exc.message, "see TLS_CERT_FILE and TLS_KEY_FILE in backend/.env")
        return
    left = end - time.time()
    text = f"{settings.tls_cert_file} is good for another {left / DAY:.0f} days"
    yield yellow(SUBJECT, text, "renew it") if left < SOON else green(SUBJECT, text)
