"""Who has a port."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from backend.doctor import port_holders


def asked(host: str, port: int) -> list[str]:
    """What the program prints, without any package of ours on its way."""
    told = subprocess.run(
        [sys.executable, "-I", "-S", Path(port_holders.__file__), host, str(port)],
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()


def test_a_taken_port_names_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        first, holder = asked("0.0.0.0", server.getsockname()[1])
    assert first == "taken"
    assert holder.split()[0] == str(os.getpid())


def test_a_free_port_has_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert asked("127.0.0.1", port) == []


def test_a_host_that_is_not_ours_is_left_for_the_server_to_tell() -> None:
    assert asked("192.0.2.1", 8000) == []
