"""The logs of the real programs: a task's whole story, and a bound that holds."""

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests import plain_http
from tests.acceptance.processes import Pair, eventually, pair
from tests.log_parts import all_compressed, parts, size_of, written

REQUEST_ID = "story-1"
TRACE = "ab" * 16
SENT = {"X-Request-ID": REQUEST_ID, "traceparent": f"00-{TRACE}-{'12' * 8}-01"}
PROMPT = "my secret wish"
KEY = "cgw_notOneOfTheirs0123456789"
MEGABYTE = 1024 * 1024


BACKEND_STORY = [
    r"Task \S+ queued: mode='free' .* caller=everybody .*<14 characters>",
    r"Task \S+: attempt 1, job \S+ on http://127",
    r"Task \S+ waits: ComfyUI does not answer .*\(attempt 1, which does not count",
    r"Task \S+: attempt 1, job ",
    r"Task \S+: its job has started",
    r"Task \S+ done \(attempt 1, waited [\d.]+ s, ran [\d.]+ s; files: 1, bytes: \d+\)",
    r"Webhook msg_\w+ of task \S+, 'done', try 1: failed: The receiver answered 410",
]
GPU_STORY = [
    r"Job \S+: workflow='free_generation'",
    r"Job \S+ failed: ComfyUI does not answer",
    r"Job \S+: workflow='free_generation'",
    r"Job \S+: \d+ %, at node ",
    r"Job \S+: output 0 is '\S+\.png', image/png, \d+ bytes",
    r"Job \S+ done \(waited [\d.]+ s, ran [\d.]+ s\)",
]
ANYWHERE = [r"Job \S+: ComfyUI has it as prompt [0-9a-f-]{36}", r"Job \S+ started"]
"""Which of them is heard of first, ComfyUI's socket or its answer, is not said."""


class Deaf(BaseHTTPRequestHandler):
    """A receiver of webhooks that wants none."""

    def do_POST(self) -> None:
        self.send_response(410)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the tests' output."""


@contextmanager
def receiver() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Deaf)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def logs(programs: Pair) -> list[str]:
    """Of the backend and of the GPU service."""
    return [each.log.read_text() for each in (programs.backend, programs.gpu_server)]


def missing(patterns: list[str], lines: list[str]) -> list[str]:
    """Those that no line after the last one's matches."""
    left = iter(lines)
    return [each for each in patterns if not any(re.search(each, line) for line in left)]


def with_a_story(programs: Pair, hook: str) -> str:
    """Send a task that has to wait for its ComfyUI first, and tells a webhook: its id, ended."""
    body = {"mode": "free", "prompt": PROMPT, "extra_params": {"seed": 7}, "webhook": {"url": hook}}
    programs.gpu_server.start()
    programs.backend.start()
    task_id = str(programs.generate(body, **SENT).json()["task_id"])
    log = programs.backend.log
    eventually(lambda: "waits: ComfyUI" in log.read_text() or "comfyui_unav" in log.read_text())
    programs.comfyui.start()
    assert programs.ended(task_id)["status"] == "done"
    eventually(lambda: "receiver answered 410" in programs.backend.log.read_text())
    return task_id


def test_one_grep_of_its_id_tells_a_task_s_story(tmp_path: Path) -> None:
    comfyui = ("--job-seconds", "0.5")
    with receiver() as hook, pair(tmp_path, engine="comfyui", comfyui=comfyui) as programs:
        programs.backend.environment["OUTBOUND_ALLOW"] = "127.0.0.1"
        task_id = with_a_story(programs, hook)
        history = plain_http.get(f"{programs.comfyui.url}/history").json()
        texts = logs(programs)
    stories = [[line for line in text.splitlines() if task_id in line] for text in texts]
    assert missing(BACKEND_STORY, stories[0]) == []
    assert missing(GPU_STORY, stories[1]) == []
    story = stories[0] + stories[1]
    assert [each for each in ANYWHERE if not any(re.search(each, line) for line in story)] == []
    of_request = [line for line in story if f"request_id={REQUEST_ID}" in line]
    assert len([line for line in of_request if "| gpu_server." in line]) >= 6
    assert [
        line for line in of_request if re.search(r"\| backend\.services\.worker \|.* done", line)
    ]
    [entry] = history.values()
    assert entry["prompt"][3]["gateway"] == {
        "request_id": REQUEST_ID,
        "task_id": task_id,
        "trace_id": TRACE,
    }
    assert PROMPT not in "".join(texts)


def test_every_line_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    """uvicorn's first and last ones, too."""
    with pair(tmp_path) as programs:
        for program in (programs.gpu_server, programs.backend):
            program.environment["LOG_FORMAT"] = "json"
            program.start()
        task_id = programs.generate({"mode": "free"}, **SENT).json()["task_id"]
        programs.ended(task_id)
        with socket.create_connection(("127.0.0.1", programs.backend.port)) as connection:
            connection.sendall(b"\x16\x03\x01 is no HTTP\r\n\r\n")
            assert b" 400 " in connection.recv(1000)
        plain_http.get(f"{programs.backend.url}/tasks?key={KEY}")
        for program in (programs.backend, programs.gpu_server):
            program.signal(signal.SIGTERM)
        records = [json.loads(line) for line in "".join(logs(programs)).splitlines()]
    assert {each["task_id"] for each in records if "Task " in each["message"]} == {task_id}
    done = [each for each in records if re.match(r"Job \S+ done", each["message"])]
    named = ("name", "request_id", "task_id", "trace_id")
    assert [[each[name] for name in named] for each in done] == [
        ["gpu_server.services.job", REQUEST_ID, task_id, TRACE]
    ]
    said = " ".join(each["message"] for each in records)
    assert said.count("Started server process") == said.count("Finished server process") == 2
    assert KEY not in json.dumps(records)
    assert any(each.get("path") == "/tasks?key=cgw_***" for each in records)
    assert not any(str(each.get("path")).startswith("/health") for each in records)


def test_log_is_bounded_while_the_process_runs(tmp_path: Path) -> None:
    """Long lines, so that little is much: 12 MB, of which 3 may be kept."""
    with pair(tmp_path) as programs:
        programs.backend.environment |= {"LOG_MAX_MB": "1", "LOG_KEEP": "2"}
        programs.backend.start()
        log = programs.backend.log
        # httpx takes a while to read a URL of that length.
        with closing(HTTPConnection("127.0.0.1", programs.backend.port)) as client:
            for number in range(240):
                client.request("GET", f"/nowhere?n={number:04}&x={'x' * 50_000}")
                client.getresponse().read()
                assert size_of(log) <= 3 * MEGABYTE
        eventually(lambda: all_compressed(log))
        assert len(parts(log)) == 2
        text = written(log)
        programs.backend.signal(signal.SIGTERM)
    numbers = [int(each) for each in re.findall(r"\?n=(\d{4})&x=x{50000} ", text)]
    assert numbers == list(range(numbers[0], 240))
    assert len(numbers) > 40
    # What comes last is in the file of that name, past Python's own streams, too.
    assert "Finished server process" in log.read_text()
