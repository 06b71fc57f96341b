"""Who has a port: `python port_holders.py HOST PORT`, with any Python, and no package.

Prints nothing where the port is free, and otherwise `taken`, then `PID COMMAND` of each process
that listens on it. Tries the bind that the server will make, and reads /proc: a small machine has
no lsof and no ss, and runs this before it has the packages.
"""

import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def is_taken(host: str, port: int) -> bool:
    """Whether a server could not bind it; any other error is the server's to tell."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as exc:
        return exc.errno == errno.EADDRINUSE
    return False


def holders(port: int) -> Iterator[tuple[int, str]]:
    """The processes that listen on it, as far as they can be seen: PID and command."""
    sockets = set(_listening(port))
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            if any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                yield int(process.name), command.decode(errors="replace").strip()
        except OSError:
            continue


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for field in map(str.split, lines):
            if field[3] == LISTEN and int(field[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{field[9]}]"


def main(host: str, port: str) -> None:
    """Print what there is to say."""
    if is_taken(host, int(port)):
        told = ["taken", *(f"{pid} {command}" for pid, command in holders(int(port)))]
        sys.stdout.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
