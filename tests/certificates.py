"""Certificates of an authority that lasts for a test, as files."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme

NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its key."""

    certificate: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"TLS_CERT_FILE": str(self.certificate), "TLS_KEY_FILE": str(self.key)}


class Authority:
    """Its own certificate is at `path`; what it issues is for loopback, for 90 days."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.path = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.path)

    def issue(
        self, name: str = "server", *, begins: timedelta = -DAY, ends: timedelta = 90 * DAY
    ) -> Pair:
        """Write `name.crt` and `name.key`, over those that are there."""
        issued = self._authority.issue_cert(
            "localhost", "127.0.0.1", not_before=NOW + begins, not_after=NOW + ends
        )
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        pair.certificate.write_bytes(chain)
        issued.private_key_pem.write_to_path(pair.key)
        return pair
