"""Requests to the world outside, to addresses that clients have named."""

import httpx

from backend.clients.guard import Guard
from backend.clients.trust import usual_authorities

NO_REUSE = httpx.Limits(max_connections=100, max_keepalive_connections=0)
"""A connection to an address belongs to one name: another's at the same address is not its."""

TIMEOUT = httpx.Timeout(None, connect=5)
"""Seconds. For how long an answer is waited, whoever asks says; the next address has its turn."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that the guard has looked at, and to no other.

    TLS goes by the name, as does the header Host. Raises UrlRefused beside httpx's errors.
    """

    def __init__(self, guard: Guard, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._guard = guard
        self._inner = inner or httpx.AsyncHTTPTransport(
            verify=usual_authorities(), trust_env=False, limits=NO_REUSE
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Tries the addresses in their order."""
        try:
            addresses = await self._guard.addresses(request.url)
        except OSError as exc:
            raise httpx.ConnectError("The host's name cannot be resolved.") from exc
        failure: httpx.TransportError = httpx.ConnectError("The host has no address.")
        for address in addresses:
            try:
                return await self._inner.handle_async_request(_to(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                failure = exc
        raise failure

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._inner.aclose()


def _to(address: str, request: httpx.Request) -> httpx.Request:
    name = request.url.raw_host.decode("ascii")
    extensions = {**request.extensions, "sni_hostname": name.strip("[]").rstrip(".")}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # Host is in there, with the name.
        stream=request.stream,
        extensions=extensions,
    )


class Outward:
    """How URLs that clients have sent are judged, and called; no redirect is followed by itself."""

    def __init__(self, allowed: str, guard: Guard | None = None) -> None:
        self.guard = guard or Guard(allowed)
        self.http = httpx.AsyncClient(
            transport=GuardedTransport(self.guard),
            timeout=TIMEOUT,
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()
