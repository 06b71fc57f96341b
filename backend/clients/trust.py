"""Whose certificates are believed."""

import ssl
from functools import cache

import httpx

from backend.errors import TLSUnusable


@cache
def usual_authorities() -> ssl.SSLContext:
    """What a client's `verify` takes; read once in a process, as it takes some 40 ms."""
    return httpx.create_ssl_context(trust_env=False)


def trust_in(ca_file: str) -> ssl.SSLContext:
    """What a client's `verify` takes: the usual authorities, and those of the file, if any.

    It may hold a private authority, or a service's own self-signed certificate. Raises TLSUnusable.
    """
    if not ca_file:
        return usual_authorities()
    context = httpx.create_ssl_context(trust_env=False)
    # Python 3.13 refuses what most private authorities write.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as exc:
        raise TLSUnusable(
            f"GPU_SERVICE_CA_FILE {ca_file} holds no certificate that can be read (PEM)."
        ) from exc
    except OSError as exc:
        raise TLSUnusable(f"GPU_SERVICE_CA_FILE {ca_file} cannot be read: {exc.strerror}.") from exc
    return context
