"""A process that cannot start says why in one line, and ends; only bugs show their trace."""

import logging
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

log = logging.getLogger(__name__)

WRONG_SETTING = 2
"""The exit status; 3 is uvicorn's, for an application that cannot start."""
MAX_SHOWN = 100
"""Characters of a wrong value."""
SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)


class StartFailure:
    """Pure ASGI: tells the server that the application cannot start, with our errors as one line.

    `expected` are the errors whose text is for the operator; `name` is who cannot start.
    """

    def __init__(self, app: ASGIApp, name: str, expected: type[Exception]) -> None:
        self._app = app
        self._name = name
        self._expected = expected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette tells the server of a failure first, with its trace, and raises it then."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failure: Message | None = None

        async def hold_back(message: Message) -> None:
            nonlocal failure
            if message["type"] == "lifespan.startup.failed":
                failure = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_back)
        except BaseException as exc:
            if failure is not None and isinstance(exc, self._expected):
                log.critical("%s cannot start: %s", self._name, exc)
                failure = {**failure, "message": ""}
            if failure is not None:
                await send(failure)
            raise


def settings_or_exit(read: Callable[[], T], name: str, log_to: Callable[[str, str], None]) -> T:
    """The settings; where some are wrong, one line for each of them, and exit status 2.

    `log_to` sets up logging for a level and a format, which are among what could not be read.
    """
    try:
        return read()
    except (ValidationError, SettingsError) as exc:
        log_to("INFO", os.environ.get("LOG_FORMAT", ""))
        for wrong in what_is_wrong(exc):
            log.critical("%s cannot start: %s", name, wrong)
        raise SystemExit(WRONG_SETTING) from None


def what_is_wrong(exc: ValidationError | SettingsError) -> list[str]:
    """What is wrong: the setting, its value, and what is allowed."""
    if isinstance(exc, ValidationError):
        return [_told(error["loc"], error["input"], error["msg"]) for error in exc.errors()]
    # Lists and objects are read as JSON before anything else, and fail by themselves.
    field = re.search(r'field "(\w+)"', str(exc))
    return [f"{field[1].upper()} is not JSON: {exc.__cause__}." if field else f"{exc}."]


def _told(location: tuple[int | str, ...], value: Any, rule: str) -> str:
    rule = rule.removeprefix("Value error, ")
    if not location:
        return f"{rule}."
    setting = ".".join((str(location[0]).upper(), *map(str, location[1:])))
    return f"{setting} is {_shown(setting, value)}. {rule}."


def _shown(setting: str, value: Any) -> str:
    """The value, without the secrets in it."""
    if SECRET.search(setting):
        return "not what it should be (not shown, it is a secret)"
    # What is before the @ of a URL is a name and a password.
    text = re.sub(r"(?s)(\w+://)?.*@", r"\1...@", value) if isinstance(value, str) else value
    return f"{text!r:.{MAX_SHOWN}}"
