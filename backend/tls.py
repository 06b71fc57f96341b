"""TLS, by two settings: uvicorn needs no arguments for it, and renewed files no restart.

uvicorn opens its sockets after the application's start. So the context is made there, and given to
the server before it listens. Each connection then takes the newest: a file that was renewed badly
changes nothing.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from backend.background import BackgroundLoop
from backend.errors import TLSUnusable

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
SOON = 14 * 86400.0
"""Seconds before its end from which on a certificate is warned of, once a day."""
DAY = 86400.0
HOPELESS = {9: "is not valid yet", 10: "has expired", 26: "is not for servers"}
"""OpenSSL's codes, of a certificate that no client will take."""
OF_ANOTHER_KEY = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}

Stamp = tuple[tuple[int, int, int], ...]
Renew = Callable[[ssl.SSLContext], None]


class TLS(BackgroundLoop):
    """Gives the server its certificate, and looks for a renewed one. Without files, does nothing.

    Raises TLSUnusable where the files cannot be used, or the server is not uvicorn.
    """

    name = "certificate"

    def __init__(
        self,
        server: uvicorn.Server | None,
        certificate: str,
        key: str,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._server = server
        self._files = (Path(certificate), Path(key))
        self._wanted = bool(certificate or key)
        self._complete = bool(certificate and key)
        self._look_seconds = look_seconds
        self._clock = clock
        self._stamp: Stamp = ()
        self._ends_at = 0.0
        self._warned_at = 0.0
        self._renew: Renew | None = None

    async def __aenter__(self) -> "TLS":
        if not self._wanted:
            return self
        if not self._complete:
            raise TLSUnusable("TLS_CERT_FILE and TLS_KEY_FILE belong together. Set both.")
        if self._server is None:
            raise TLSUnusable("TLS_CERT_FILE is for uvicorn. Give this server its own setting.")
        if getattr(self._server.config, "ssl", None) is not None:
            log.warning("TLS_CERT_FILE is passed over: uvicorn has --ssl-certfile")
            return self
        self._stamp = _stamp(self._files)
        context, self._ends_at = usable(*self._files)
        self._server.config.ssl, self._renew = _renewable(context)
        self._warn_of_its_end()
        return await super().__aenter__()

    async def _once(self) -> None:
        self.look()

    async def _pause(self) -> None:
        await asyncio.sleep(self._look_seconds)

    def look(self) -> None:
        """Once: take up what has been renewed, if it can be used."""
        stamp = _stamp(self._files)
        if stamp != self._stamp and self._renew is not None:
            self._stamp = stamp
            try:
                context, self._ends_at = usable(*self._files)
            except TLSUnusable as exc:
                log.error("%s The certificate of before is kept", exc.message)
                return
            self._renew(context)
            log.info("The renewed certificate is in use, until %s", _day(self._ends_at))
            self._warned_at = 0.0
        self._warn_of_its_end()

    def _warn_of_its_end(self) -> None:
        now = self._clock()
        if self._ends_at - now < SOON and now - self._warned_at >= DAY:
            self._warned_at = now
            ends = "ends" if self._ends_at > now else "has ended"
            log.warning("The certificate %s on %s: renew it", ends, _day(self._ends_at))


def usable(certificate: Path, key: Path) -> tuple[ssl.SSLContext, float]:
    """A server's context, and when the certificate ends, in seconds since the epoch.

    Raises TLSUnusable, with what is wrong with which file.
    """
    for name, path in (("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)):
        try:
            path.read_bytes()
        except OSError as exc:
            raise TLSUnusable(f"{name} {path} cannot be read: {exc.strerror}.") from exc
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as exc:
        raise TLSUnusable(_wrong(exc, certificate, key)) from exc
    return context, _tried(context, certificate)


def _no_password() -> str:
    raise TLSUnusable("TLS_KEY_FILE is encrypted. Write it anew without a passphrase.")


def _wrong(exc: ssl.SSLError, certificate: Path, key: Path) -> str:
    if exc.reason in OF_ANOTHER_KEY:
        return f"TLS_KEY_FILE {key} is not the key of the certificate in {certificate}."
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"TLS_CERT_FILE {certificate} holds no certificate that can be read (PEM)."
    return f"TLS_KEY_FILE {key} holds no private key that can be read (PEM)."


def _tried(context: ssl.SSLContext, certificate: Path) -> float:
    """Shake hands with ourselves, as a client would that trusts this certificate: its end."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(back, there)
    server = context.wrap_bio(there, back, server_side=True)
    try:
        for side in (client, server, client, server):
            _step(side)
    except ssl.SSLCertVerificationError as exc:
        if exc.verify_code in HOPELESS:
            why = HOPELESS[exc.verify_code]
            raise TLSUnusable(f"The certificate in TLS_CERT_FILE {certificate} {why}.") from exc
        raise TLSUnusable(
            f"The certificate in TLS_CERT_FILE {certificate} is refused: {exc.verify_message}."
        ) from exc
    except ssl.SSLError as exc:
        raise TLSUnusable(f"TLS_CERT_FILE {certificate} cannot be used: {exc.reason}.") from exc
    told = client.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(told["notAfter"])))


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return  # It is the other's turn.


def _renewable(context: ssl.SSLContext) -> tuple[ssl.SSLContext, Renew]:
    """A context for the server, and what has its next connections use another one."""
    newest = context

    def choose(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = newest

    def renew(other: ssl.SSLContext) -> None:
        nonlocal newest
        newest = other

    context.sni_callback = choose
    return context, renew


def _stamp(files: tuple[Path, ...]) -> Stamp:
    """Another one when a file is another one."""
    return tuple(_of(path) for path in files)


def _of(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
