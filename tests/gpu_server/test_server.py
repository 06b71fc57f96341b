"""Spec: GPU Service Structure, `main.py` or `server.py`: both ways to start the real program."""

from pathlib import Path

from tests.gpu_server.programs import program
from tests.gpu_server.serving import NOBODY
from tests.ports import free_port

PLACEHOLDER = {"status": "done", "image": "dummy_base64_placeholder", "error": None}


async def test_python_server_py_serves_on_the_port_of_its_settings(tmp_path: Path) -> None:
    """Spec: "cd /workspace/gpu_server; nohup python server.py"."""
    port = free_port()
    async with program(
        tmp_path,
        "server.py",
        port=port,
        GPU_SERVER_HOST="127.0.0.1",
        GPU_SERVER_PORT=str(port),
        COMFYUI_API_URL=NOBODY,
    ) as server:
        reply = await server.http.post("/generate", json={"workflow": "x", "params": {}})
    assert reply.json() == PLACEHOLDER


async def test_uvicorn_main_app_serves_from_inside_the_folder(tmp_path: Path) -> None:
    port = free_port()
    command = ("-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(port))
    async with program(tmp_path, *command, port=port, COMFYUI_API_URL=NOBODY) as server:
        reply = await server.http.post("/generate", json={"workflow": "x", "params": {}})
    assert reply.json() == PLACEHOLDER


async def test_log_goes_to_stdout_in_one_format(tmp_path: Path) -> None:
    """Ours and uvicorn's, each line with its time, logger and level."""
    port = free_port()
    async with program(
        tmp_path,
        "server.py",
        port=port,
        GPU_SERVER_HOST="127.0.0.1",
        GPU_SERVER_PORT=str(port),
        COMFYUI_API_URL=NOBODY,
    ) as server:
        await server.http.post("/generate", json={"workflow": "my_workflow"})
        lines = server.log.read_text().splitlines()
    [generate] = [line for line in lines if "my_workflow" in line and "Job " in line]
    [access] = [line for line in lines if "POST /generate" in line]
    assert " | gpu_server.services.jobs | INFO | " in generate
    assert " | uvicorn.access | INFO | " in access
