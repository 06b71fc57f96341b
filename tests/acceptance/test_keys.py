"""`python -m backend.keys` beside a running backend: real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import plain_http
from tests.acceptance.processes import ROOT, Pair, eventually, pair


def keys(programs: Pair, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "backend.keys", *arguments],
        cwd=ROOT,
        env=programs.backend.whole_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def status(programs: Pair, secret: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    url = f"{programs.backend.url}/tasks"
    return plain_http.get(url, headers=headers).status_code


def test_key_is_made_used_listed_and_revoked_while_the_backend_runs(tmp_path: Path) -> None:
    with pair(tmp_path) as programs:
        programs.backend.start()
        assert status(programs) == 200
        made = keys(programs, "create", "my app", "--requests-per-minute", "500")
        secret = made.stdout.strip()
        assert (made.returncode, secret[:4], len(secret)) == (0, "cgw_", 47)
        assert eventually(lambda: status(programs) == 401)
        assert status(programs, secret) == 200
        listed = keys(programs, "list").stdout
        assert "'my app'  read,submit" in listed
        assert "500 requests/minute" in listed
        assert secret not in listed + made.stderr
        key_id = listed.split()[0]
        assert keys(programs, "revoke", key_id).returncode == 0
        assert status(programs, secret) == 401
        assert keys(programs, "revoke", key_id).returncode == 1
        assert secret not in programs.backend.log.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("create",),
        ("create", "x", "--scope", "all"),
        ("create", "x", "--expires", "soon"),
        ("create", "x", "--tasks-per-day", "0"),
    ],
    ids=str,
)
def test_wrong_use_is_said_and_makes_no_key(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with pair(tmp_path) as programs:
        done = keys(programs, *arguments)
    assert (done.returncode, "usage: python -m backend.keys" in done.stderr) == (2, True)
    assert not (tmp_path / "data").exists()
