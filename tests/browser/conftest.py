"""One browser and one gateway for all tests of a process; a page of its own for each."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.chromium import chromium
from tests.browser.gateway import Gateway, gateway
from tests.browser.guard import Guard

DEADLINE = 45_000
"""Milliseconds. Only a broken page meets it."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=DEADLINE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def whole_gateway(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Gateway]:
    """After the browser: without one, none of it is started."""
    with gateway(tmp_path_factory.mktemp("gateway")) as programs:
        yield programs


@pytest.fixture
def services(whole_gateway: Gateway) -> Iterator[Gateway]:
    """The gateway, which is left as it was found."""
    yield whole_gateway
    whole_gateway.settle()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser as somebody has it who has never been here."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, locale="en-GB", accept_downloads=True
    )
    context.set_default_timeout(DEADLINE)
    yield context
    await context.close()


@pytest.fixture
def origin(services: Gateway) -> str:
    """Where the page comes from; a module may have a backend of its own."""
    return services.url


@pytest_asyncio.fixture(loop_scope="session")
async def guard(context: BrowserContext, origin: str) -> AsyncIterator[Guard]:
    """In the browser's loop: listening asks it something, and there may be no other loop."""
    guard = Guard(context, origin)
    yield guard
    guard.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, guard: Guard) -> Page:
    """An empty tab, guarded."""
    return await context.new_page()
