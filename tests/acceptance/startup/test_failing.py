"""Services that do not come up, and a script that says so."""

import pytest

from tests.acceptance.startup.workspace import SERVICES, Workspace, is_alive, lines_with

ENDS = """
import sys
for number in range(40):
    print("line", number)
sys.exit("boom: no such device")
"""

NEVER_HEALTHY = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Unhealthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b'{"status": "unhealthy"}')

HTTPServer(("", int(os.environ["GPU_SERVER_PORT"])), Unhealthy).serve_forever()
"""

NEVER_ANSWERS = """
import os, socket, time

listener = socket.create_server(("", int(os.environ["GPU_SERVER_PORT"])))
print("listening", flush=True)
time.sleep(600)
"""

SLOW = """
import os, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "healthy"}')

time.sleep(5.4)
HTTPServer(("", int(os.environ["GPU_SERVER_PORT"])), Healthy).serve_forever()
"""


def test_a_service_that_ends_at_once_fails_the_start(workspace: Workspace) -> None:
    workspace.replace_both()
    result = workspace.run()
    assert result.returncode == 1
    for service in SERVICES:
        assert f"{service} ended as it started" in result.stderr
        assert not workspace.pid_file(service).exists()


def test_the_end_of_the_log_is_shown(workspace: Workspace) -> None:
    workspace.replace_both()
    workspace.replace("gpu_server", ENDS)
    shown = [line for line in workspace.run().stderr.splitlines() if line.startswith("    | ")]
    assert len(shown) == 20
    assert shown[-1] == "    | boom: no such device"


def test_what_a_run_before_said_is_not_shown(workspace: Workspace) -> None:
    workspace.replace_both()
    workspace.replace("gpu_server", ENDS)
    workspace.run()
    workspace.replace("gpu_server", "raise SystemExit('another reason')")
    result = workspace.run()
    assert "another reason" in result.stderr
    assert "boom" not in result.stderr


@pytest.mark.parametrize("program", [NEVER_HEALTHY, NEVER_ANSWERS])
def test_a_service_that_does_not_get_healthy_fails_the_start(
    workspace: Workspace, program: str
) -> None:
    workspace.replace_both()
    workspace.replace("gpu_server", program)
    result = workspace.run(STARTUP_WAIT="1")
    assert result.returncode == 1
    assert "gpu_server is not healthy after 1 s" in result.stderr
    assert is_alive(workspace.pid("gpu_server"))


def test_the_backend_starts_without_the_gpu_service(workspace: Workspace) -> None:
    """Spec: Health Check Validation, 'Start Backend without GPU service running'."""
    workspace.replace("gpu_server", ENDS)
    result = workspace.run()
    assert any("backend      degraded" in line for line in lines_with(result.stdout, "WARN"))
    assert workspace.health("backend") == 200


def test_a_slow_service_is_waited_for_with_a_warning(workspace: Workspace) -> None:
    """Spec: Startup Management, 'Check GPU service health (warn if not ready)' after 5 s."""
    workspace.replace("gpu_server", SLOW)
    result = workspace.run()
    assert result.returncode == 0
    assert "gpu_server is not healthy after 5 s" in result.stdout
    assert "gpu_server is up" in result.stdout
