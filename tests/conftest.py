"""What the whole suite stands on."""

import importlib
import warnings
from collections.abc import Generator
from typing import Any

import pytest

# Older uvicorns build on a deprecated part of websockets: not for our tests to fail on. Imported
# here, once, it is there for whichever test starts the first server.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("uvicorn.protocols.websockets.auto")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A captured log may hold an unpaired surrogate, which no process can send to another."""
    report = yield
    if report is not None and "sections" in report:
        report["sections"] = [
            (title, text.encode("utf-8", "backslashreplace").decode())
            for title, text in report["sections"]
        ]
    return report
