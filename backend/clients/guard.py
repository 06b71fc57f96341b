"""Which addresses of the world outside may be called, where a client names them.

A client that could have us call what only we reach (ComfyUI, the database, a cloud's metadata)
would be inside. So every address is looked at, in whatever notation it comes, and the connection
goes to the very address that was looked at: a name that resolves anew resolves in vain.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

import httpx

from backend.errors import UrlRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

SCHEMES = ("http", "https")
NOT_PUBLIC: tuple[Network, ...] = (
    ipaddress.ip_network("100.64.0.0/10"),  # carriers', and a cloud's metadata
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("198.18.0.0/15"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("fec0::/10"),
)
"""Beyond what Python's own list says, which grew between its versions."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
COMPATIBLE = ipaddress.ip_network("::/96")
LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa")


class Guard:
    """`allowed` are names, addresses and networks that may be called all the same."""

    def __init__(self, allowed: str, resolve: Resolve | None = None) -> None:
        self._names: set[str] = set()
        self._networks: list[Network] = []
        self._resolve = resolve or _resolved
        for entry in filter(None, (each.strip().lower() for each in allowed.split(","))):
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._names.add(entry.rstrip("."))

    def check_url(self, url: str, field: str) -> httpx.URL:
        """The URL, as far as it can be judged without resolving its name.

        Raises UrlRefused, naming `field`.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError) as exc:
            raise _refused(field, "it is no URL") from exc
        host = _name(parsed)
        if parsed.scheme not in SCHEMES or not host:
            raise _refused(field, "it is no http:// or https:// URL")
        if parsed.userinfo:
            raise _refused(field, "it has a user name in it")
        if host in self._names:
            return parsed
        address = _literal(host)
        if address is None and (("." not in host) or host.endswith(_SUFFIXES)):
            raise _refused(field, "its host is no public one")
        if address is not None and not self._may_call(address):
            raise _refused(field, "its address is no public one")
        return parsed

    async def addresses(self, url: httpx.URL, field: str = "url") -> list[str]:
        """The addresses that may be called for the URL, and none else.

        Raises UrlRefused where one of them may not be, and OSError where there are none.
        """
        self.check_url(str(url), field)
        host = _name(url)
        port = url.port or (443 if url.scheme == "https" else 80)
        found = list(dict.fromkeys(await self._resolve(host, port)))
        if host in self._names:
            return found
        for each in found:
            address = _literal(each.partition("%")[0])
            if address is None or not self._may_call(address):
                raise _refused(field, "its host is no public one")
        return found

    def _may_call(self, address: Address) -> bool:
        inner = _embedded(address)
        if any(each in net for each in (address, inner) for net in self._networks):
            return True
        return _is_public(address) and _is_public(inner)


_SUFFIXES = tuple(f".{name}" for name in LOCAL_NAMES)


def _name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").strip("[]").rstrip(".").lower()


def _literal(host: str) -> Address | None:
    """The address that a host is written as: also 2130706433, 0x7f.1 and 0177.0.0.1."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, or itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64 or (address in COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return (
        address.ipv4_mapped
        or address.sixtofour
        or (address.teredo[1] if address.teredo else address)
    )


def _is_public(address: Address) -> bool:
    if address.is_multicast or (address.is_reserved and not _is_nat64(address)):
        return False
    if any(address in network for network in NOT_PUBLIC):
        return False
    return address.is_global or _is_nat64(address)


def _is_nat64(address: Address) -> bool:
    return address in NAT64


def _refused(field: str, why: str) -> UrlRefused:
    return UrlRefused(
        f"{field} cannot be called: {why}. Send a public address, or have whoever runs the server "
        "allow it (OUTBOUND_ALLOW).",
        parameter=field,
    )


async def _resolved(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
