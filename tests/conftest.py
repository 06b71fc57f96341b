"""What the whole suite stands on."""

from collections.abc import Generator
from typing import Any

import pytest


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
