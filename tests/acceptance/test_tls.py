"""Both services over TLS, started as the specification has it: by settings alone."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.acceptance.processes import Pair, Program, eventually, pair
from tests.certificates import DAY, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def over_tls(program: Program, authority: Authority) -> None:
    program.authority = authority.path
    program.environment.update(authority.issue(program.name).settings)


@pytest.fixture
def programs(tmp_path: Path, authority: Authority) -> Iterator[Pair]:
    with pair(tmp_path) as programs:
        for program in (programs.backend, programs.gpu_server):
            over_tls(program, authority)
        programs.backend.environment["GPU_SERVICE_URL"] = programs.gpu_server.url
        yield programs


def test_task_goes_all_the_way_over_tls(programs: Pair, authority: Authority) -> None:
    programs.backend.environment["GPU_SERVICE_CA_FILE"] = str(authority.path)
    programs.gpu_server.start()
    programs.backend.start()
    backend = programs.backend
    with httpx.Client(base_url=backend.url, verify=backend.verify, trust_env=False) as http:
        assert http.get("/health").json()["gpu_available"] is True
        body = {"mode": "free", "prompt": "x"}
        reply = http.post("/generate", json=body, headers={"Prefer": "wait=20"}, timeout=30)
        assert (reply.status_code, reply.json()["status"]) == (200, "done")
        task = reply.json()["task_id"]
        url = f"{backend.url.replace('https', 'wss')}/tasks/{task}/ws"
        trusting = ssl.create_default_context(cafile=authority.path)
        with connect(url, ssl=trusting, proxy=None, open_timeout=45) as story:
            assert '"done"' in list(story)[-1]
    assert f"Uvicorn running on https://127.0.0.1:{backend.port}" in backend.log.read_text()
    with pytest.raises(httpx.TransportError):
        httpx.get(backend.url.replace("https", "http") + "/health", trust_env=False)
    assert backend.answers()


def test_gpu_service_of_an_unknown_authority_gets_no_task(programs: Pair) -> None:
    programs.gpu_server.start()
    programs.backend.start()
    reply = httpx.get(
        f"{programs.backend.url}/health", verify=programs.backend.verify, trust_env=False
    )
    assert reply.json()["status"] == "degraded"
    eventually(lambda: "GPU_SERVICE_CA_FILE" in programs.backend.log.read_text())


@pytest.mark.parametrize("which", ["backend", "gpu_server"])
def test_expired_certificate_is_one_line_and_no_start(
    programs: Pair, authority: Authority, which: str
) -> None:
    program: Program = getattr(programs, which)
    expired = authority.issue(which, begins=-9 * DAY, ends=-DAY)
    program.launch()
    assert program.process is not None
    assert program.process.wait(20) == 3
    lines = program.log.read_text().splitlines()
    [line] = [each for each in lines if "CRITICAL" in each]
    assert line.endswith(
        f"cannot start: The certificate in TLS_CERT_FILE {expired.certificate} has expired."
    )
    assert "Traceback" not in program.log.read_text()
