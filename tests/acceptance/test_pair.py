"""Both services as real processes: what the specification promises of them together."""

import base64
import io
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from PIL import Image

from tests.acceptance.processes import eventually, pair

LIGHTHOUSE = {
    "mode": "free",
    "prompt": "a lighthouse at dawn",
    "extra_params": {"width": 512, "height": 384, "seed": 7},
}


def health(url: str) -> dict[str, object]:
    answer: dict[str, object] = httpx.get(f"{url}/health", trust_env=False).json()
    return answer


def test_stub_pair_answers_the_specification_and_ends_with_the_placeholder(tmp_path: Path) -> None:
    """Spec: Validation and Testing, Service Integration Testing."""
    with pair(tmp_path) as programs:
        programs.gpu_server.start()
        programs.backend.start()
        assert health(programs.backend.url) == {
            "status": "healthy",
            "gpu_available": True,
            "version": "1.0.0",
        }
        answer = programs.generate({"mode": "free", "prompt": "test prompt"}).json()
        assert answer["status"] == "queued"
        assert programs.ended(answer["task_id"])["image"] == "dummy_base64_placeholder"
        assert answer["task_id"] in programs.backend.log.read_text()
        assert "workflow='free_generation'" in programs.gpu_server.log.read_text()


def test_backend_alone_is_degraded_and_its_task_is_done_once_the_gpu_service_starts(
    tmp_path: Path,
) -> None:
    """Spec: Validation and Testing, Health Check Validation."""
    with pair(tmp_path) as programs:
        programs.backend.start()
        assert health(programs.backend.url)["status"] == "degraded"
        task_id = programs.generate({"mode": "free"}).json()["task_id"]
        eventually(lambda: "does not answer" in programs.backend.log.read_text())
        assert programs.task(task_id)["status"] == "queued"
        programs.gpu_server.start()
        ended = programs.ended(task_id)
        assert (ended["status"], ended["attempt"]) == ("done", 1)
        assert health(programs.backend.url)["gpu_available"] is True


def test_first_real_image_has_the_asked_size(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui") as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        ended = programs.ended(programs.generate(LIGHTHOUSE).json()["task_id"])
        assert ended["status"] == "done"
        image = Image.open(io.BytesIO(base64.b64decode(ended["image"])))
        assert (image.format, image.size) == ("PNG", (512, 384))


def test_waiting_gives_the_image_in_one_request(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui") as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        reply = programs.generate({"mode": "selftest"}, prefer="wait=30")
        assert (reply.status_code, reply.json()["status"]) == (200, "done")


def test_tasks_wait_while_comfyui_is_away(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui") as programs:
        programs.gpu_server.start()
        programs.backend.start()
        task_id = programs.generate({"mode": "selftest"}).json()["task_id"]
        eventually(lambda: "ComfyUI does not answer" in programs.backend.log.read_text())
        programs.comfyui.start()
        ended = programs.ended(task_id)
        assert (ended["status"], ended["attempt"]) == ("done", 1)


def test_killed_backend_goes_on_with_its_tasks(tmp_path: Path) -> None:
    """Spec: Success Criteria, Kill and restart -> services recover correctly."""
    with pair(tmp_path, engine="comfyui", comfyui=("--job-seconds", "1")) as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        ids = [programs.generate({"mode": "selftest"}).json()["task_id"] for _ in range(3)]
        eventually(lambda: programs.task(ids[0])["status"] == "running")
        programs.backend.signal(signal.SIGKILL)
        programs.backend.start()
        assert [programs.ended(task_id)["status"] for task_id in ids] == ["done"] * 3


def test_killed_gpu_service_costs_no_task(tmp_path: Path) -> None:
    """Spec: Success Criteria, Kill and restart -> services recover correctly."""
    with pair(tmp_path, engine="comfyui", comfyui=("--job-seconds", "1")) as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        task_id = programs.generate({"mode": "selftest"}).json()["task_id"]
        eventually(lambda: programs.task(task_id)["status"] == "running")
        programs.gpu_server.signal(signal.SIGKILL)
        programs.gpu_server.start()
        assert programs.ended(task_id)["status"] == "done"


def test_stop_signal_ends_the_backend_at_once_though_a_client_waits(tmp_path: Path) -> None:
    with pair(tmp_path) as programs, ThreadPoolExecutor() as threads:
        programs.backend.start()
        waiting = threads.submit(programs.generate, {"mode": "free"}, prefer="wait=60")
        eventually(lambda: "queued: mode='free'" in programs.backend.log.read_text())
        begun = time.monotonic()
        programs.backend.signal(signal.SIGTERM)
        assert time.monotonic() - begun < 10
        reply = waiting.result()
        assert reply.status_code == 202
        assert reply.headers["location"] == f"/tasks/{reply.json()['task_id']}"
        assert "stopped" in programs.backend.log.read_text()


def test_stop_signal_ends_the_gpu_service_at_once_though_a_job_runs(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui", comfyui=("--job-seconds", "60")) as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        task_id = programs.generate({"mode": "selftest"}).json()["task_id"]
        eventually(lambda: programs.task(task_id)["status"] == "running")
        begun = time.monotonic()
        programs.gpu_server.signal(signal.SIGTERM)
        assert time.monotonic() - begun < 10
        eventually(lambda: programs.task(task_id)["status"] == "queued")


def test_idle_pair_stays_under_200_mb(tmp_path: Path) -> None:
    with pair(tmp_path) as programs:
        programs.gpu_server.start()
        programs.backend.start()
        programs.ended(programs.generate({"mode": "free"}).json()["task_id"])
        megabytes = [each.resident_megabytes() for each in (programs.backend, programs.gpu_server)]
        assert sum(megabytes) < 200, megabytes
