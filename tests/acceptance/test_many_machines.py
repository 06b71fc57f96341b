"""Backends, workers and a PostgreSQL server as real processes, stopped and paused."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import plain_http
from tests.acceptance.processes import Program, eventually
from tests.chaos.fleet import Fleet, postgresql_fleet
from tests.exposition import Exported

SELFTEST = {"mode": "selftest", "extra_params": {"width": 64, "height": 64}}
QUICK = {"STALLED_AFTER": "1.5", "HOLD_SECONDS": "0.5", "DRAIN_SECONDS": "0.2"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two of each, which all tests share: each leaves them running."""
    with postgresql_fleet(tmp_path_factory.mktemp("fleet"), job_seconds=1.0) as fleet:
        for program in (*fleet.backends, *fleet.workers):
            program.environment.update(QUICK)
        fleet.start()
        yield fleet


def submit(backend: Program, **headers: str) -> str:
    reply = plain_http.post(f"{backend.url}/generate", json=SELFTEST, headers=headers, timeout=30)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["task_id"])


def shown(backend: Program, task_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = plain_http.get(f"{backend.url}/tasks/{task_id}").json()
    return answer


def ended(backend: Program, task_id: str) -> dict[str, Any]:
    eventually(lambda: shown(backend, task_id).get("status") in ("done", "failed"), 40)
    return shown(backend, task_id)


def states(fleet: Fleet, task_id: str) -> list[str]:
    """All changes of the task, in order."""
    assert fleet.database is not None
    with psycopg.connect(fleet.database.url) as connection:
        rows = connection.execute(
            "SELECT state FROM task_events WHERE task_id = %s ORDER BY seq", (task_id,)
        )
        return [state for (state,) in rows]


def runner_of(fleet: Fleet, task_id: str) -> Program:
    """The worker that has begun the task."""
    words = f"Task {task_id}: attempt"

    def begun() -> list[Program]:
        return [each for each in fleet.workers if words in each.log.read_text()]

    eventually(begun)
    return begun()[0]


def test_result_of_a_worker_that_was_paused_past_its_heartbeat_is_recorded_once(
    fleet: Fleet,
) -> None:
    task_id = submit(fleet.backends[0])
    paused = runner_of(fleet, task_id)
    assert paused.process is not None
    paused.process.send_signal(signal.SIGSTOP)
    task = ended(fleet.backends[1], task_id)
    assert (task["status"], task["attempt"]) == ("done", 2)
    paused.process.send_signal(signal.SIGCONT)
    eventually(lambda: f"Task {task_id}: late result" in paused.log.read_text())
    assert states(fleet, task_id) == ["queued", "running", "queued", "running", "done"]
    after = shown(fleet.backends[0], task_id)
    assert after == shown(fleet.backends[1], task_id) == task


def test_stopped_worker_leaves_its_task_to_the_next_and_exits_with_0(fleet: Fleet) -> None:
    task_id = submit(fleet.backends[0])
    stopped = runner_of(fleet, task_id)
    assert stopped.signal(signal.SIGTERM) == 0
    stopped.launch()
    task = ended(fleet.backends[0], task_id)
    assert (task["status"], task["attempt"]) == ("done", 1)


def test_one_key_sent_to_both_backends_gives_one_task(fleet: Fleet) -> None:
    keys = {"Idempotency-Key": "the one"}
    ids = {submit(backend, **keys) for backend in fleet.backends for _ in range(3)}
    assert len(ids) == 1


def test_waiting_client_of_one_backend_hears_of_the_end_that_a_worker_brought(
    fleet: Fleet,
) -> None:
    for backend in fleet.backends:
        reply = plain_http.post(
            f"{backend.url}/generate",
            json=SELFTEST,
            headers={"Prefer": "wait=20"},
            timeout=30,
        )
        assert (reply.status_code, reply.json()["status"]) == (200, "done")


def test_requests_are_refused_while_the_database_is_away_and_taken_when_it_is_back(
    fleet: Fleet,
) -> None:
    assert fleet.database is not None
    backend = fleet.backends[0]
    before = submit(backend)
    ended(backend, before)
    fleet.database.stop()
    reply = plain_http.post(f"{backend.url}/generate", json=SELFTEST, timeout=30)
    assert (reply.status_code, reply.json()["code"]) == (503, "storage_unavailable")
    assert "Retry-After" in reply.headers
    assert "secret" not in reply.text
    assert plain_http.get(f"{backend.url}/readyz").status_code == 503
    fleet.database.launch()
    eventually(lambda: plain_http.get(f"{backend.url}/readyz").status_code == 200)
    assert ended(backend, submit(backend))["status"] == "done"


def test_every_backend_tells_the_same_of_the_whole_store(fleet: Fleet) -> None:
    task_id = submit(fleet.backends[0])
    ended(fleet.backends[0], task_id)
    seen = [Exported(plain_http.get(f"{each.url}/metrics").text) for each in fleet.backends]
    assert len(seen) == 2
    for each in seen:
        assert each.value("gateway_store_up") == 1
        assert each.value("gateway_store_workers") == len(fleet.workers)
        assert each.value("gateway_store_tasks", state="queued", mode="other") == 0


def test_backend_without_workers_says_so(fleet: Fleet) -> None:
    backend = fleet.backends[0]

    def notes() -> list[str]:
        ready = plain_http.get(f"{backend.url}/readyz").json()
        return [each["check"] for each in ready["notes"]]

    assert notes() == []
    for worker in fleet.workers:
        assert worker.signal(signal.SIGTERM) == 0
    eventually(lambda: notes() == ["workers"])
    for worker in fleet.workers:
        worker.launch()
    eventually(lambda: notes() == [])


@pytest.mark.parametrize("kind", ["backends", "workers"])
def test_process_that_finds_no_database_waits_for_it(tmp_path: Path, kind: str) -> None:
    with postgresql_fleet(tmp_path, 0.05) as fleet:
        assert fleet.database is not None
        fleet.database.stop()
        program: Program = getattr(fleet, kind)[0]
        program.launch()
        eventually(lambda: "Waiting for the task database" in program.log.read_text())
        fleet.database.launch()
        up = {"backends": "startup complete", "workers": "started, 2 slots"}[kind]
        eventually(lambda: up in program.log.read_text())
        log = program.log.read_text()
        told = re.findall(r"Waiting for the task database: .*", log)
        assert len(told) == len(set(told))  # Refused at first, perhaps starting up then.
        assert "secret" not in log
        assert "Traceback" not in log


@pytest.mark.parametrize(("kind", "status"), [("backends", 3), ("workers", 0)])
def test_process_that_waits_for_its_database_can_be_stopped(
    tmp_path: Path, kind: str, status: int
) -> None:
    with postgresql_fleet(tmp_path, 0.05) as fleet:
        assert fleet.database is not None
        fleet.database.stop()
        program: Program = getattr(fleet, kind)[0]
        program.launch()
        eventually(lambda: "Waiting for the task database" in program.log.read_text())
        assert program.signal(signal.SIGTERM) == status
        assert "Traceback" not in program.log.read_text()
