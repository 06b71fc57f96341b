"""Whose certificates are believed."""

import ssl

import httpx

from backend.errors import TLSUnusable


def trust_in(ca_file: str) -> ssl.SSLContext | bool:
    """What a client's `verify` takes: the usual authorities, and those of the file, if any.

    It may hold a private authority, or a service's own self-signed certificate. Raises TLSUnusable.
    """
    if not ca_file:
        return True
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
