"""What no page may do, in whichever test: complain, break, or call anybody but its own server."""

import re
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Request, WebError

QUIET = {"log", "info", "debug", "timeEnd", "startGroup", "startGroupCollapsed", "endGroup"}
"""Kinds of console messages that are no complaint."""
INSIDE = {"blob", "data", "about"}
"""Schemes that ask nobody."""
FAILED_REQUEST = "Failed to load resource: "
"""How Chromium reports every failed request, whatever the page makes of it."""


class Guard:
    """Watches a browser context from its first request on.

    A violated content security policy is an error on the console. An open dialog is what a script
    smuggled in would show.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.findings: list[str] = []
        self.urls: list[str] = []
        self._host = urlsplit(origin).netloc
        self._expected: list[str] = []
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("dialog", self._dialog)

    def expect_failed_requests(self, reason: str) -> None:
        """The test makes requests fail so, a pattern such as `401` or `ERR_CONNECTION_REFUSED`.

        No page can keep Chromium from saying so on the console. Nothing else is let through.
        """
        self._expected.append(reason)

    def check(self) -> None:
        """Fail where there was anything."""
        assert not self.findings, "\n".join(self.findings)

    def _console(self, message: ConsoleMessage) -> None:
        text = message.text
        if message.type in QUIET or self._is_expected(text):
            return
        self.findings.append(f"console {message.type}: {text} ({message.location.get('url')})")

    def _is_expected(self, text: str) -> bool:
        return text.startswith(FAILED_REQUEST) and any(
            re.search(reason, text) for reason in self._expected
        )

    def _error(self, error: WebError) -> None:
        self.findings.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        self.urls.append(request.url)
        url = urlsplit(request.url)
        if url.scheme not in INSIDE and url.netloc != self._host:
            self.findings.append(f"another host: {request.url}")

    async def _dialog(self, dialog: Dialog) -> None:
        self.findings.append(f"dialog: {dialog.message}")
        await dialog.dismiss()
