"""Logging to stdout, one record a line, for every module and for uvicorn."""

import json
import logging
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pythonjsonlogger.json import JsonFormatter

HANDLER = "SERVICE"
STANDARD = "%(asctime)s | %(name)s | %(levelname)s | %(message)s"
FIELDS = "%(asctime)s %(name)s %(levelname)s %(message)s"
CHATTY = ("httpx", "httpcore", "websockets")
PLAIN = frozenset({"mode", "style", "workflow", "model", "sampler_name", "scheduler"})
"""String parameters that are names, not what a client wrote or drew."""
MAX_SHOWN = 2000
"""Characters of one request's parameters."""


class OneLineFormatter(logging.Formatter):
    """A message cannot start a line of its own, whatever a client put into it."""

    default_msec_format = "%s.%03d"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        # An unpaired surrogate cannot be written, and the whole record would be lost.
        record.message = message.encode("utf-8", "backslashreplace").decode()
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        trace = super().formatException(ei).encode("utf-8", "backslashreplace").decode()
        # Indented: an error's text may have lines that look like records.
        return trace.replace("\r", "\\r").replace("\n", "\n    ")


def says_something(record: logging.LogRecord) -> bool:
    """Whether an access is worth a line: the backend asks every few seconds what has changed."""
    return not (isinstance(record.args, tuple) and record.args[-1:] == (304,))


def setup_logging(level: str, log_format: str) -> None:
    """Send all records of `level` and above to stdout, as `standard` lines or as `json`."""
    handler = logging.StreamHandler(sys.stdout)
    handler.set_name(HANDLER)
    handler.setFormatter(
        JsonFormatter(FIELDS) if log_format == "json" else OneLineFormatter(STANDARD)
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if each.get_name() == HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").addFilter(says_something)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def describe(params: Mapping[str, Any], *, whole: bool = False) -> str:
    """Parameters for the log: texts and images as lengths, and not too many, unless `whole`."""
    if whole:
        return json.dumps(params, default=str)
    text = json.dumps(_shown("", params), default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if key in PLAIN and len(value) <= 100 else f"<{len(value)} characters>"
    if isinstance(value, Mapping):
        return {name[:100]: _shown(name, item) for name, item in islice(value.items(), 50)}
    if isinstance(value, (list, tuple)):
        return [_shown(key, item) for item in value[:20]]
    return value
