"""Logging to stdout, one record a line, for every module and for uvicorn."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import Any
from urllib.parse import quote

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from backend.config import Settings
from backend.correlation import current
from backend.log_file import stdout_file

HANDLER = "SERVICE"
STANDARD = "%(asctime)s | %(name)s | %(levelname)s | %(message)s"
FIELDS = "%(asctime)s %(name)s %(levelname)s %(message)s"
CHATTY = ("httpx", "httpcore", "websockets")
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
MEGABYTE = 1024 * 1024
PLAIN = frozenset({"mode", "style", "workflow", "model", "sampler_name", "scheduler"})
"""String parameters that are names, not what a client wrote or drew."""
KEYS = re.compile(r"(cgw(?:_|%5[Ff])|whsec_)[A-Za-z0-9_+/=%-]{4,}")
"""API keys, and what webhooks are signed with."""
SAID = ("request_id", "task_id", "trace_id")
"""What a record may name itself."""
PROBES = frozenset({"/health", "/livez", "/readyz", "/metrics"})


class Mask:
    """Takes out what nobody is to read: keys, and these secrets, however they are quoted."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spelled = {
            form
            for secret in secrets
            if secret
            for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, ""))
        }
        longest_first = sorted(spelled, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if spelled else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        text = KEYS.sub(r"\1***", text)
        return self._secrets.sub("***", text) if self._secrets else text


class OneLineFormatter(logging.Formatter):
    """A message cannot start a line of its own, whatever a client put into it.

    What follows of a record, such as its trace, is indented: a line that is not begins a record.
    """

    default_msec_format = "%s.%03d"

    def __init__(self, fmt: str, mask: Mask | None = None) -> None:
        super().__init__(fmt)
        self._mask = mask or Mask()

    def format(self, record: logging.LogRecord) -> str:
        """The record, without secrets."""
        if record.exc_info:
            record.exc_text = None  # As another handler may have written it: not indented.
        return self._mask(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        told = _story(record)
        unsaid = [f"request_id={told['request_id']}"] if "request_id" in told else []
        if told.get("task_id", "") not in record.message:
            unsaid.append(f"task_id={told['task_id']}")
        record.message = escaped(record.message)
        if unsaid:
            record.message += f" [{escaped(' '.join(unsaid))}]"
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        return _indented(super().formatStack(stack_info))


class OneObjectFormatter(JsonFormatter):
    """One JSON object a line, in ASCII; with what it is about, and what was asked for."""

    def __init__(self, mask: Mask | None = None) -> None:
        super().__init__(FIELDS, reserved_attrs=[*RESERVED_ATTRS, "color_message"])
        self._mask = mask or Mask()

    def format(self, record: logging.LogRecord) -> str:
        """The record, without secrets."""
        return self._mask(super().format(record))

    def add_fields(
        self, log_record: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """What every record has, and then some."""
        super().add_fields(log_record, record, message_dict)
        log_record.update(_story(record))
        if (access := _access(record)) is not None:
            client, method, path, _, status = access
            log_record.update(client=client, method=method, path=path, status=status)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether an access is: what machines ask every second, and find well, is for DEBUG."""
    access = _access(record)
    if access is None:
        return True
    _, _, path, _, status = access
    if status < 400 and path.partition("?")[0] in PROBES:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger().isEnabledFor(logging.DEBUG)
    return True


def start_logging(settings: Settings) -> None:
    """As the settings have it; a file that stdout goes to is bounded from now on."""
    setup_logging(
        settings.log_level.value,
        settings.log_format.value,
        stdout_file(settings.log_max_mb * MEGABYTE, settings.log_keep),
        settings.secrets,
    )


def start_process_logging(settings: Settings) -> None:
    """The same for all that a process says: Python's warnings, and what it dies of."""
    start_logging(settings)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught


def setup_logging(
    level: str,
    log_format: str,
    handler: logging.Handler | None = None,
    secrets: Iterable[str] = (),
) -> None:
    """Send all records of `level` and above to stdout, as `standard` lines or as `json`."""
    handler = handler or logging.StreamHandler(sys.stdout)
    handler.set_name(HANDLER)
    mask = Mask(secrets)
    handler.setFormatter(
        OneObjectFormatter(mask) if log_format == "json" else OneLineFormatter(STANDARD, mask)
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if each.get_name() == HANDLER]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name in UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(logging.INFO, root.level))
    logging.getLogger("uvicorn.access").addFilter(is_worth_a_line)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def has_uvicorn_begun() -> bool:
    """Whether uvicorn has set up its own logging: then it imports us, and is about to speak."""
    return any(logging.getLogger(name).handlers for name in UVICORN)


def escaped(text: str) -> str:
    """On one line, and as it looks: without control characters, and what turns text about."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _indented(trace: str) -> str:
    return "\n".join(f"    {escaped(line)}" for line in trace.split("\n"))


def _story(record: logging.LogRecord) -> dict[str, str]:
    """What the record is about: as it says itself, else as is being worked on."""
    told = current().fields
    return {**told, **{name: getattr(record, name) for name in SAID if hasattr(record, name)}}


def _access(record: logging.LogRecord) -> tuple[str, str, str, str, int] | None:
    """Client, method, path with its query, version and status, where uvicorn tells of one."""
    if record.name != "uvicorn.access" or not isinstance(record.args, tuple):
        return None
    return record.args if len(record.args) == 5 else None  # type: ignore[return-value]


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        logging.getLogger("backend").critical("It ends", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def describe(params: Mapping[str, Any], *, whole: bool = False) -> str:
    """Parameters for the log: texts and images as lengths, unless `whole`."""
    return json.dumps(params if whole else _shown("", params), default=str)


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if key in PLAIN and len(value) <= 100 else f"<{len(value)} characters>"
    if isinstance(value, Mapping):
        return {name[:100]: _shown(name, item) for name, item in islice(value.items(), 50)}
    if isinstance(value, (list, tuple)):
        return [_shown(key, item) for item in value[:20]]
    return value
