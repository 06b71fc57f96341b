"""Logging: one record a line, and nothing of what a client wrote or drew."""

import json
import logging
import sys
from typing import Any

import pytest

from gpu_server.utils.logging import HANDLER, OneLineFormatter, describe, setup_logging

log = logging.getLogger("some.module")


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_line_has_time_logger_level_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "standard")
    log.info("hello")
    [line] = written(capsys)
    time, *rest = line.split(" | ")
    assert time.startswith("20")
    assert rest == ["some.module", "INFO", "hello"]


def test_json_line_has_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "json")
    log.info("hello")
    [line] = written(capsys)
    record = json.loads(line)
    assert (record["name"], record["levelname"], record["message"]) == (
        "some.module",
        "INFO",
        "hello",
    )
    assert record["asctime"]


def test_records_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("WARNING", "standard")
    log.info("hello")
    assert written(capsys) == []


def test_set_up_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "standard")
    setup_logging("INFO", "standard")
    log.info("hello")
    assert len(written(capsys)) == 1


def test_uvicorn_writes_in_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "standard")
    logging.getLogger("uvicorn.access").info("GET /")
    [line] = written(capsys)
    assert line.endswith(" | uvicorn.access | INFO | GET /")


@pytest.mark.parametrize("name", ["httpx", "websockets"])
def test_libraries_that_talk_much_are_heard_from_warnings_on(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    setup_logging("DEBUG", "standard")
    logging.getLogger(name).info("a request")
    logging.getLogger(name).warning("trouble")
    assert [line.rpartition(" ")[2] for line in written(capsys)] == ["trouble"]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb"])
def test_message_cannot_start_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    setup_logging("INFO", "standard")
    log.info("%s", text)
    assert len(written(capsys)) == 1


def test_half_a_character_does_not_lose_the_record() -> None:
    record = log.makeRecord("x", logging.INFO, "", 0, "a\ud800b", (), None)
    assert OneLineFormatter("%(message)s").format(record) == "a\\ud800b"


def test_trace_of_an_error_stays_below_its_record() -> None:
    try:
        raise ValueError("first\n2026-01-01 | forged | INFO | line")
    except ValueError:
        record = log.makeRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    head, *trace = OneLineFormatter("%(message)s").format(record).splitlines()
    assert head == "failed"
    assert trace[-1] == "    2026-01-01 | forged | INFO | line"


def test_handler_writes_to_stdout() -> None:
    """Spec: "Write to stdout (captured by startup.sh)"."""
    setup_logging("INFO", "standard")
    [handler] = [each for each in logging.getLogger().handlers if each.get_name() == HANDLER]
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stdout


SHOWN: list[tuple[dict[str, Any], str]] = [
    ({"steps": 20, "cfg": 7.5, "on": True, "x": None}, "20 7.5 true null"),
    ({"model": "sdxl.safetensors", "scheduler": "karras"}, "sdxl.safetensors karras"),
]


@pytest.mark.parametrize(("params", "words"), SHOWN)
def test_numbers_and_names_are_shown(params: dict[str, Any], words: str) -> None:
    text = describe(params)
    assert [word for word in words.split() if word not in text] == []


HIDDEN: list[dict[str, Any]] = [
    {"prompt": "secret"},
    {"negative_prompt": "secret"},
    {"images": ["secret", "secret"]},
    {"nested": {"prompt": "secret"}},
    {"model": "secret" * 100},
]


@pytest.mark.parametrize("params", HIDDEN, ids=lambda params: next(iter(params)))
def test_texts_and_images_are_shown_as_lengths(params: dict[str, Any]) -> None:
    text = describe(params)
    assert "secret" not in text
    assert "characters>" in text


def test_whole_is_whole() -> None:
    assert describe({"prompt": "secret"}, whole=True) == '{"prompt": "secret"}'


HUGE: list[dict[str, Any]] = [
    {"x" * 10_000: 1},
    {f"name{number}": number for number in range(10_000)},
    {"list": list(range(10_000))},
]


@pytest.mark.parametrize("params", HUGE, ids=["name", "names", "list"])
def test_line_stays_short(params: dict[str, Any]) -> None:
    assert len(describe(params)) < 2100


SECRET = "sixteen letters!"


@pytest.mark.parametrize("form", ["standard", "json"])
@pytest.mark.parametrize("secret", [SECRET, "cgw_0123456789abcdef", "whsec_MfKQ9r8+/w=="])
def test_no_secret_is_in_a_line(capsys: pytest.CaptureFixture[str], form: str, secret: str) -> None:
    setup_logging("INFO", form, secrets=[SECRET])
    log.info("it is %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed with %r", {"a": secret})
    out = capsys.readouterr().out
    assert secret not in out
    assert out.count("***") >= 3


@pytest.mark.parametrize("sign", ["\x1b[2K", "\x00", "\x85", "\u2028", "\u202e"], ids=ascii)
def test_control_characters_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    setup_logging("INFO", "standard")
    log.info("a%sb", sign)
    assert written(capsys)[0].endswith("a" + sign.encode("unicode_escape").decode() + "b")


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/health", 200, False),
        ("/health", 503, True),
        ("/metrics", 200, False),
        ("/workflows", 304, False),
        ("/workflows", 200, True),
        ("/jobs/1", 404, True),
    ],
)
def test_what_machines_ask_all_the_time_is_for_debug(
    capsys: pytest.CaptureFixture[str], path: str, status: int, shown: bool
) -> None:
    setup_logging("INFO", "standard")
    told = ("127.0.0.1:1", "GET", path, "1.1", status)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *told)
    assert bool(written(capsys)) == shown
