"""Each `.env`, and the hosts and ports that the script takes from it."""

import re
import socket
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests import plain_http
from tests.acceptance.startup.workspace import REPOSITORY, SERVICES, Workspace
from tests.certificates import Authority

SPECIFIED = {
    "backend": """\
BACKEND_HOST=0.0.0.0
BACKEND_PORT=8000
GPU_SERVICE_URL=http://localhost:8001
REQUEST_TIMEOUT=180
LOG_LEVEL=INFO
""",
    "gpu_server": """\
GPU_SERVER_HOST=0.0.0.0
GPU_SERVER_PORT=8001
COMFYUI_API_URL=http://localhost:8188
MODELS_PATH=/workspace/models
WORKFLOWS_PATH=/workspace/gpu_server/workflows
LOG_LEVEL=INFO
""",
}


@pytest.mark.parametrize("service", SERVICES)
def test_the_template_sets_what_is_specified(service: str) -> None:
    """Spec: Environment Configuration Templates."""
    template = (REPOSITORY / service / ".env.template").read_text()
    lines = [line for line in template.splitlines() if line and not line.startswith("#")]
    assert lines == SPECIFIED[service].splitlines()


def refused(workspace: Workspace) -> None:
    """Runs the script up to a wrong setting: the .env are written, nothing is started."""
    assert workspace.run(BACKEND_PORT="wrong").returncode == 6


def test_the_first_run_writes_the_workspaces_paths(workspace: Workspace) -> None:
    refused(workspace)
    values = dotenv_values(workspace.path / "gpu_server" / ".env")
    assert values["MODELS_PATH"] == str(workspace.path / "models")
    assert values["WORKFLOWS_PATH"] == str(workspace.path / "gpu_server" / "workflows")


def test_paths_in_comments_are_the_workspaces_too(workspace: Workspace) -> None:
    refused(workspace)
    written = (workspace.path / "backend" / ".env").read_text()
    assert f"# DATA_PATH={workspace.path}/data\n" in written
    assert f"# STYLES_PATH={workspace.path}/backend/styles.json\n" in written


@pytest.mark.parametrize("service", SERVICES)
def test_all_but_the_paths_is_as_in_the_template(workspace: Workspace, service: str) -> None:
    """Spec: Environment Configuration Templates, 'Copy template to .env before first run'."""
    refused(workspace)
    folder = workspace.path / service
    written = (folder / ".env").read_text()
    assert (
        written.replace(str(workspace.path), "/workspace") == (folder / ".env.template").read_text()
    )


def test_a_folder_named_workspace_is_not_replaced_twice(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace" / "backend" / "workspace")
    refused(workspace)
    values = dotenv_values(workspace.path / "gpu_server" / ".env")
    assert values["WORKFLOWS_PATH"] == str(workspace.path / "gpu_server" / "workflows")


def test_code_and_workspace_have_their_own_paths(workspace: Workspace, tmp_path: Path) -> None:
    workspace.run(BACKEND_PORT="wrong", WORKSPACE=str(tmp_path / "pod"))
    gpu_server = dotenv_values(workspace.path / "gpu_server" / ".env")
    backend = dotenv_values(workspace.path / "backend" / ".env")
    assert gpu_server["MODELS_PATH"] == str(tmp_path / "pod" / "models")
    assert gpu_server["WORKFLOWS_PATH"] == str(workspace.path / "gpu_server" / "workflows")
    assert backend["DATA_PATH"] == str(tmp_path / "pod" / "data")


@pytest.mark.parametrize("service", SERVICES)
def test_an_env_is_for_its_owners_eyes(workspace: Workspace, service: str) -> None:
    refused(workspace)
    mode = (workspace.path / service / ".env").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_an_env_that_is_there_stays_as_it_is(workspace: Workspace) -> None:
    env = workspace.path / "backend" / ".env"
    env.write_text("LOG_LEVEL=DEBUG\n")
    refused(workspace)
    assert env.read_text() == "LOG_LEVEL=DEBUG\n"


@pytest.mark.parametrize(
    "line",
    [
        "BACKEND_PORT=80x",
        "  BACKEND_PORT = 80x  ",
        "export BACKEND_PORT=80x",
        "BACKEND_PORT=80x # the usual one",
        "BACKEND_PORT=80#x",
        "BACKEND_PORT='80 # x' # quoted",
        'BACKEND_PORT="80x"  # quoted',
        "BACKEND_PORT=1\nBACKEND_PORT=80x",
        "# BACKEND_PORT=1\nBACKEND_PORT=80x\r\n",
        "BACKEND_PORT=",
    ],
)
def test_an_env_is_read_as_the_services_read_it(workspace: Workspace, line: str) -> None:
    env = workspace.path / "backend" / ".env"
    env.write_text(line)
    del workspace.environment["BACKEND_PORT"]
    result = workspace.run()
    assert result.returncode == 6
    said = re.search("BACKEND_PORT is '(.*)': it has to be a number", result.stderr)
    assert said is not None
    assert said[1] == dotenv_values(env)["BACKEND_PORT"]


def test_names_in_an_env_may_be_small(workspace: Workspace) -> None:
    (workspace.path / "gpu_server" / ".env").write_text("gpu_server_port=80x\n")
    del workspace.environment["GPU_SERVER_PORT"]
    assert "GPU_SERVER_PORT is '80x'" in workspace.run().stderr


@pytest.mark.parametrize("name", ["BACKEND_PORT", "backend_port"])
def test_the_environment_wins_over_an_env(workspace: Workspace, name: str) -> None:
    (workspace.path / "backend" / ".env").write_text("BACKEND_PORT=1\n")
    del workspace.environment["BACKEND_PORT"]
    assert "BACKEND_PORT is 'from outside'" in workspace.run(**{name: "from outside"}).stderr


@pytest.mark.parametrize("port", ["0", "65536", "99999999999999999999", "-1", "8000.0"])
def test_a_port_that_is_none_is_one_clear_line(workspace: Workspace, port: str) -> None:
    result = workspace.run(GPU_SERVER_PORT=port)
    assert result.returncode == 6
    [line] = result.stderr.splitlines()
    assert f"GPU_SERVER_PORT is '{port}': it has to be a number from 1 to 65535" in line


def test_ports_come_from_the_env_files(workspace: Workspace) -> None:
    """Spec: Success Criteria, 'Configuration loads from .env files'."""
    gpu_port, port = (workspace.environment.pop(n) for n in ("GPU_SERVER_PORT", "BACKEND_PORT"))
    (workspace.path / "gpu_server" / ".env").write_text(f"export GPU_SERVER_PORT='{gpu_port}'\n")
    (workspace.path / "backend" / ".env").write_text(f"BACKEND_PORT = {port}  # ours\n")
    assert workspace.run().returncode == 0
    assert [workspace.health(service) for service in SERVICES] == [200, 200]


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_services_listen_where_the_settings_say(workspace: Workspace) -> None:
    result = workspace.run(BACKEND_HOST="::", GPU_SERVER_HOST="127.0.0.2")
    assert result.returncode == 0, result.stderr
    backend = f"http://[::1]:{workspace.ports['backend']}"
    gpu_server = f"http://127.0.0.2:{workspace.ports['gpu_server']}"
    for url in (backend, gpu_server):
        assert f"{url} " in result.stdout
        assert plain_http.get(f"{url}/health").status_code == 200


def test_a_health_wait_that_is_no_number_is_one_clear_line(workspace: Workspace) -> None:
    result = workspace.run(STARTUP_WAIT="soon")
    assert result.returncode == 6
    assert len(result.stderr.splitlines()) == 1
    assert workspace.processes() == []


def test_services_over_tls_are_found_healthy(workspace: Workspace, tmp_path: Path) -> None:
    """By the `.env` alone; whom the certificate names is the clients' matter."""
    refused(workspace)
    authority = Authority(tmp_path)
    for service in SERVICES:
        lines = [f"{k}={v}" for k, v in authority.issue(service).settings.items()]
        with (workspace.path / service / ".env").open("a") as file:
            file.write("\n".join(lines) + "\n")
    result = workspace.run(
        GPU_SERVICE_URL=workspace.url("gpu_server", "").replace("http", "https"),
        GPU_SERVICE_CA_FILE=str(authority.path),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"backend +healthy .*https://127\.0\.0\.1", result.stdout)
