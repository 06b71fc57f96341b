"""The README's lines for a browser, in one."""

import pytest
from playwright.async_api import Page

from tests.acceptance.test_readme import WRITTEN, block
from tests.browser.gateway import Gateway
from tests.browser.guard import Guard

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_event_source(page: Page, services: Gateway, guard: Guard) -> None:
    guard.expect_failed_requests("status of 404")  # /health is no page: it has no icon.
    code = block("From a browser", "js").replace(WRITTEN, services.url)
    code = code.replace('"free", prompt: "a lighthouse"', '"selftest"')  # Needs no model.
    await page.goto(f"{services.url}/health")
    async with page.expect_console_message(lambda said: "image/png" in said.text) as said:
        await page.evaluate(
            "async code => { const run = Object.getPrototypeOf(async () => {}).constructor;"
            " await run('img', code)(document.createElement('img')); }",
            code.replace("JSON.parse(e.data).outputs", "JSON.stringify(JSON.parse(e.data))"),
        )
    assert '"status":"done"' in (await said.value).text
