"""Logging to stdout, one record a line."""

import json
import logging
import re
import sys
from datetime import datetime
from urllib.parse import quote

import pytest

from backend.correlation import Correlation, about, correlated
from backend.keys import PREFIX
from backend.utils.logging import OneLineFormatter, describe, setup_logging

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \| (\S+) \| (\w+) \| (.*)")
FORGED = "2026-01-01 00:00:00.000 | backend | INFO | forged"


@pytest.fixture
def log() -> logging.Logger:
    return logging.getLogger("backend.some.module")


def test_line_has_timestamp_logger_level_and_message(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Logging Utility: log format (timestamp, logger name, level, message)."""
    setup_logging("INFO", "standard")
    log.warning("it is %d", 7)
    match = LINE.fullmatch(capsys.readouterr().out.strip())
    assert match is not None
    assert datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S.%f")
    assert match.groups()[1:] == ("backend.some.module", "WARNING", "it is 7")


def test_lines_go_to_stdout_alone(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Spec: Logging Utility: write to stdout."""
    setup_logging("INFO", "standard")
    log.error("here")
    printed = capsys.readouterr()
    assert "here" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("INFO", ["INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("ERROR", ["ERROR", "CRITICAL"]),
    ],
)
def test_level_is_the_configured_one(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], level: str, shown: list[str]
) -> None:
    """Spec: Logging Utility: set log level from configuration."""
    setup_logging(level, "standard")
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(number, logging.getLevelName(number))
    assert [line.split(" | ")[2] for line in capsys.readouterr().out.splitlines()] == shown


def test_json_is_one_object_a_line(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Spec: Logging Utility, Configuration: structured format for parsability."""
    setup_logging("INFO", "json")
    log.warning("two\nlines")
    [line] = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert (record["name"], record["levelname"]) == ("backend.some.module", "WARNING")
    assert record["message"] == "two\nlines"
    assert datetime.strptime(record["asctime"], "%Y-%m-%d %H:%M:%S,%f")


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "backend", "any.other"])
def test_every_module_logs_the_same_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Spec: Logging Utility: apply to all modules."""
    logging.getLogger(name).addHandler(logging.NullHandler())
    setup_logging("INFO", "standard")
    logging.getLogger(name).info("hello")
    assert len(LINE.findall(capsys.readouterr().out)) == 1


def test_set_up_twice_logs_once(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "standard")
    setup_logging("INFO", "standard")
    log.info("once")
    assert capsys.readouterr().out.count("once") == 1


def test_http_libraries_do_not_log_each_request(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "standard")
    logging.getLogger("httpx").info("HTTP Request: GET")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_message_cannot_start_a_line(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    setup_logging("INFO", "standard")
    log.info("a prompt%s%s", ending, FORGED)
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith(FORGED)


def test_trace_cannot_start_a_line_like_a_record() -> None:
    try:
        raise ValueError(f"odd\n{FORGED}")
    except ValueError:
        record = logging.makeLogRecord({"msg": "it failed", "exc_info": sys.exc_info()})
    lines = OneLineFormatter("%(message)s").format(record).splitlines()
    assert any(FORGED in line for line in lines)
    assert not any(line.startswith(FORGED) for line in lines)


def test_unpaired_surrogate_does_not_lose_the_line(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging("INFO", "standard")
    log.info("no file %s", "a\udcff")
    assert capsys.readouterr().out.endswith("no file a\\udcff\n")


@pytest.mark.parametrize(
    ("params", "shown"),
    [
        ({"prompt": "a wish"}, {"prompt": "<6 characters>"}),
        ({"mode": "free", "style": None}, {"mode": "free", "style": None}),
        ({"mode": "x" * 101}, {"mode": "<101 characters>"}),
        ({"steps": 20, "cfg": 7.5, "tile": True}, {"steps": 20, "cfg": 7.5, "tile": True}),
        ({"face_images": ["ab", "cde"]}, {"face_images": ["<2 characters>", "<3 characters>"]}),
        ({"in": {"model": "xl", "b": "my"}}, {"in": {"model": "xl", "b": "<2 characters>"}}),
        ({"many": list(range(30))}, {"many": list(range(20))}),
        ({"n" * 300: 1}, {"n" * 100: 1}),
    ],
)
def test_texts_are_described_by_their_length(
    params: dict[str, object], shown: dict[str, object]
) -> None:
    assert json.loads(describe(params)) == shown


def test_many_parameters_are_cut() -> None:
    assert len(json.loads(describe({"extra": {str(n): n for n in range(1000)}}))["extra"]) == 50


def test_whole_is_whole() -> None:
    params = {"prompt": "a wish", "many": list(range(30))}
    assert json.loads(describe(params, whole=True)) == params


KEY = f"{PREFIX}{'k3Y-' * 10}_z"
SECRET = 'a "secret" \\ of ours'
TURNING = ["\x1b[2K", "\x00", "\t", "\x85", "\u2028", "\u202e", "\u2066", "\u200f", "\ufeff"]


@pytest.mark.parametrize("form", ["standard", "json"])
@pytest.mark.parametrize("sign", TURNING, ids=ascii)
def test_what_turns_text_about_is_shown_as_it_is(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], form: str, sign: str
) -> None:
    setup_logging("INFO", form)
    log.info("a%sb", sign)
    [line] = capsys.readouterr().out.splitlines()
    assert sign not in line
    assert ("a" + sign.encode("unicode_escape").decode() + "b" in line) or form == "json"
    if form == "json":
        assert json.loads(line)["message"] == f"a{sign}b"


def test_text_that_can_be_read_stays_so(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging("INFO", "standard")
    log.info("Leuchtturm für 灯台 🗼")
    assert "für 灯台 🗼" in capsys.readouterr().out


def raised(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("form", ["standard", "json"])
@pytest.mark.parametrize("secret", [KEY, KEY.replace("_", "%5F", 1), "whsec_MfKQ9r8+/w==", SECRET])
def test_no_secret_is_in_a_line(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], form: str, secret: str
) -> None:
    setup_logging("DEBUG", form, secrets=[SECRET])
    log.info("Authorization: Bearer %s", secret)
    log.info("as a value: %r, as JSON: %s", secret, json.dumps({"key": secret}))
    log.info("as a field", extra={"given": secret})
    access = ("127.0.0.1:1", "GET", f"/tasks?api_key={quote(secret, safe='%')}&limit=5", "1.1", 200)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *access)
    try:
        raised(f"no such key: {secret}")
    except ValueError:
        log.exception("it failed", stack_info=True)
    out = capsys.readouterr().out
    told = (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe=""))
    assert [each for each in told if each in out] == []
    assert out.count("***") >= 5
    assert "limit=5" in out
    if form == "json":
        assert all(json.loads(line) for line in out.splitlines())


def test_key_that_was_cut_short_is_hidden_too(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging("INFO", "standard")
    log.info("%.20r", KEY)
    assert KEY[4:10] not in capsys.readouterr().out


def access_of(path: str, status: int) -> None:
    told = ("127.0.0.1:1", "GET", path, "1.1", status)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *told)


def test_access_has_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "json")
    access_of("/tasks?limit=5", 200)
    record = json.loads(capsys.readouterr().out)
    told = {name: record[name] for name in ("client", "method", "path", "status")}
    assert told == {
        "client": "127.0.0.1:1",
        "method": "GET",
        "path": "/tasks?limit=5",
        "status": 200,
    }


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz?x", "/metrics"])
def test_probes_are_for_debug(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "standard")
    access_of(path, 200)
    assert capsys.readouterr().out == ""
    access_of(path, 503)
    assert " | INFO | " in capsys.readouterr().out
    setup_logging("DEBUG", "standard")
    access_of(path, 200)
    assert " | DEBUG | " in capsys.readouterr().out


def test_accesses_heed_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Spec: Logging Utility: set log level from configuration; apply to all modules."""
    setup_logging("WARNING", "standard")
    access_of("/tasks", 200)
    assert capsys.readouterr().out == ""


def test_line_tells_the_request_and_the_task(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging("INFO", "standard")
    with correlated(Correlation(request_id="r-1")), about("t-1"):
        log.info("something")
        log.info("Task t-1 goes on")
    log.info("of another", extra={"task_id": "t-2"})
    with correlated(Correlation(request_id="a")):
        log.info("an id that is a part of the text")
    assert [line.split(" | ")[3] for line in capsys.readouterr().out.splitlines()] == [
        "something [request_id=r-1 task_id=t-1]",
        "Task t-1 goes on [request_id=r-1]",
        "of another [task_id=t-2]",
        "an id that is a part of the text [request_id=a]",
    ]


def test_json_tells_the_request_the_task_and_the_trace(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_logging("INFO", "json")
    trace = "ab" * 16
    with correlated(Correlation("r-1", f"00-{trace}-{'12' * 8}-01")):
        log.info("something", extra={"task_id": "t-2"})
    record = json.loads(capsys.readouterr().out)
    told = {name: record[name] for name in ("request_id", "task_id", "trace_id")}
    assert told == {"request_id": "r-1", "task_id": "t-2", "trace_id": trace}


def test_colours_of_uvicorn_are_no_field(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "json")
    logging.getLogger("uvicorn.error").info("hello", extra={"color_message": "\x1b[1mhello"})
    assert "color_message" not in json.loads(capsys.readouterr().out)
