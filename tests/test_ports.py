"""No two programs of the tests are given the same port."""

import socket
import subprocess
import sys

from tests.checkout import ROOT
from tests.ports import BLOCK, FIRST, free_port, is_free

ASK = "from tests.ports import free_port; print([free_port() for _ in range(50)])"


def test_a_port_is_given_once() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


def test_two_processes_share_no_port() -> None:
    ours = (free_port() - FIRST) // BLOCK
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    theirs = [int(port) for port in asked.stdout.strip("[]\n").split(",")]
    assert ours not in {(port - FIRST) // BLOCK for port in theirs}


def test_one_who_listens_keeps_their_port() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)
