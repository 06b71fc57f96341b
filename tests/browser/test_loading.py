"""What a first visit costs. How long it takes, `python -m tests.benchmarks.page` says."""

import pytest
from playwright.async_api import Browser

from tests.browser.gateway import Gateway
from tests.browser.loading import cold_load

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES = 150_000


async def test_first_visit_without_images_stays_under_150_kb(
    browser: Browser, services: Gateway
) -> None:
    load = await cold_load(browser, services.url)
    assert f"{services.url}/" in load.weights
    assert load.weight < MOST_BYTES, load.weights
