"""Heads of requests are bounded by the real program; how, the backend's tests say of the twin."""

from pathlib import Path

import pytest

from tests.gpu_server.programs import program
from tests.gpu_server.serving import NOBODY, problem
from tests.ports import free_port


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_head_that_is_too_large_is_refused(tmp_path: Path, http: str) -> None:
    port = free_port()
    command = ("-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(port))
    async with program(
        tmp_path, *command, "--http", http, port=port, COMFYUI_API_URL=NOBODY
    ) as server:
        good = await server.http.get("/health", headers={"X-Filler": "x" * 60_000})
        assert good.status_code == 200
        bad = await server.http.get("/health", headers={"X-Filler": "x" * 200_000})
        problem(bad, 431, "header_too_large")
        assert bad.headers["connection"] == "close"
    assert "with a head of more than 65536 bytes is refused [request_id=" in server.log.read_text()
