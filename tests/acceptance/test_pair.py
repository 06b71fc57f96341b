"""Both services as real processes: what the specification promises of them together."""

import base64
import io
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageChops

from tests import plain_http
from tests.acceptance.processes import Pair, eventually, pair

LIGHTHOUSE = {
    "mode": "free",
    "prompt": "a lighthouse at dawn",
    "extra_params": {"width": 512, "height": 384, "seed": 7},
}


def health(url: str) -> dict[str, object]:
    answer: dict[str, object] = plain_http.get(f"{url}/health").json()
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
        eventually(lambda: f"{task_id} waits: The GPU serv" in programs.backend.log.read_text())
        eventually(lambda: programs.task(task_id)["status"] == "queued")
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


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


def invert_workflow(folder: Path) -> Path:
    """A workflows folder with one graph that needs no model, as ComfyUI exports it."""
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    (folder / "workflows").mkdir()
    (folder / "workflows" / "invert.json").write_text(json.dumps(graph))
    return folder / "workflows"


@contextmanager
def inverting(folder: Path) -> Iterator[Pair]:
    """A pair at work whose only workflow is that one."""
    with pair(folder, engine="comfyui") as programs:
        programs.gpu_server.environment["WORKFLOWS_PATH"] = str(invert_workflow(folder))
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        yield programs


def test_dropped_workflow_is_a_mode_that_takes_an_uploaded_image(tmp_path: Path) -> None:
    with inverting(tmp_path) as programs:
        url = programs.backend.url
        modes = eventually(lambda: plain_http.get(f"{url}/modes").json()["modes"])
        assert [mode["mode"] for mode in modes] == ["invert"]
        upload = plain_http.post(f"{url}/uploads", content=png(30, 20)).json()
        body = {"mode": "invert", "extra_params": {"image": upload["upload"]}}
        ended = programs.ended(programs.generate(body).json()["task_id"])
        assert ended["error"] is None
        image = Image.open(io.BytesIO(base64.b64decode(ended["image"])))
        assert (image.size, image.convert("RGB").getpixel((0, 0))) == ((30, 20), (0, 255, 255))
        output = plain_http.get(url + ended["outputs"][0]["url"])
        assert output.content == base64.b64decode(ended["image"])
        assert output.headers["content-type"] == "image/png"


def test_large_image_outlives_both_services(tmp_path: Path) -> None:
    with inverting(tmp_path) as programs:
        eventually(lambda: "engine comfyui" in programs.backend.log.read_text())
        programs.gpu_server.signal(signal.SIGKILL)
        picture = Image.frombytes("RGB", (800, 600), os.urandom(800 * 600 * 3))
        file = io.BytesIO()
        picture.save(file, "PNG")
        image = base64.b64encode(file.getvalue()).decode()
        body = {"mode": "invert", "extra_params": {"image": image}}
        task_id = programs.generate(body).json()["task_id"]
        programs.backend.signal(signal.SIGKILL)
        programs.gpu_server.start()
        programs.backend.start()
        ended = programs.ended(task_id)
        assert ended["error"] is None
        made = Image.open(io.BytesIO(base64.b64decode(ended["image"]))).convert("RGB")
        assert made.tobytes() == ImageChops.invert(picture).tobytes()


def test_wrong_parameter_is_refused_before_any_gpu_second(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui") as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        eventually(lambda: "engine comfyui" in programs.backend.log.read_text())
        reply = programs.generate({"mode": "free", "extra_params": {"steps": 100000}})
        assert reply.status_code == 422
        assert reply.json()["parameter"] == "steps"
        assert "150" in reply.json()["detail"]


def test_running_task_shows_progress_and_can_be_cancelled(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui", comfyui=("--job-seconds", "30")) as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        task_id = programs.generate(LIGHTHOUSE).json()["task_id"]
        eventually(lambda: 0 < programs.task(task_id)["progress"] < 1)
        assert programs.task(task_id)["node"] == "Sampler"
        reply = plain_http.delete(f"{programs.backend.url}/tasks/{task_id}")
        assert reply.json()["status"] == "cancelled"
        queue = plain_http.get(f"{programs.comfyui.url}/queue").json()
        assert queue == {"queue_running": [], "queue_pending": []}


def test_killed_gpu_service_finds_its_job_again_and_runs_it_once(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui", comfyui=("--job-seconds", "4")) as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        task_id = programs.generate(LIGHTHOUSE).json()["task_id"]
        eventually(lambda: programs.task(task_id)["progress"] > 0)
        programs.gpu_server.signal(signal.SIGKILL)
        programs.gpu_server.start()
        ended = programs.ended(task_id)
        assert (ended["status"], ended["seed"]) == ("done", 7)
        history = plain_http.get(f"{programs.comfyui.url}/history").json()
        assert len(history) == 1


def test_cancel_reaches_a_job_that_a_killed_gpu_service_left_in_comfyui(tmp_path: Path) -> None:
    with pair(tmp_path, engine="comfyui", comfyui=("--job-seconds", "60")) as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        programs.backend.start()
        task_id = programs.generate(LIGHTHOUSE).json()["task_id"]
        eventually(lambda: programs.task(task_id)["progress"] > 0)
        programs.gpu_server.signal(signal.SIGKILL)
        programs.gpu_server.start()
        plain_http.delete(f"{programs.backend.url}/tasks/{task_id}", timeout=20)
        assert programs.task(task_id)["status"] == "cancelled"
        eventually(
            lambda: (
                plain_http.get(f"{programs.comfyui.url}/queue").json()
                == {"queue_running": [], "queue_pending": []}
            )
        )
