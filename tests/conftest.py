"""What the whole suite stands on."""

import importlib
import warnings
from collections.abc import Generator
from typing import Any

import pytest

LOG_END = 4000
"""Characters of a program's log that are worth their space in a report."""

# Older uvicorns build on a deprecated part of websockets: not for our tests to fail on. Imported
# here, once, it is there for whichever test starts the first server.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("uvicorn.protocols.websockets.auto")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that fails shows the ends of the logs of the programs that it started."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.rglob("*.log")):
            end = log.read_text(errors="replace")[-LOG_END:]
            report.sections.append((f"The end of {log.name}", end))
    return report


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
