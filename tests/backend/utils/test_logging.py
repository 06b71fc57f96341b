"""Logging to stdout, one record a line."""

import json
import logging
import re
import sys
from datetime import datetime

import pytest

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
