"""The browser: Debian's own Chromium, which Playwright drives. Nothing is downloaded."""

import os
import shutil

import pytest

REQUIRED = "REQUIRE_CHROMIUM"
"""The variable that makes a machine without Chromium fail instead of passing these tests over."""
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Where it is; the test is skipped where there is none, unless one is required."""
    for name in NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    message = "no Chromium is installed (on Debian: apt-get install chromium)"
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message)
