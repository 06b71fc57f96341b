"""The README's lines for a browser, in one."""

import re

import pytest
from playwright.async_api import ConsoleMessage, Page

from tests.acceptance.test_readme import WRITTEN, block
from tests.browser.gateway import Gateway
from tests.browser.guard import Guard

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBER = re.compile(r"[\d.]+")
RUN = """async code => {
  const run = Object.getPrototypeOf(async () => {}).constructor;
  await run("img", code)(window.img = document.createElement("img"));
}"""
"""Its lines as a module's, where a page has an `img`."""


async def test_event_source(page: Page, services: Gateway, guard: Guard) -> None:
    guard.expect_failed_requests("status of 404")  # /health is no page: it has no icon.
    services.fault("previews", "slow_steps=0.1")  # Else it ends before it is heard.
    code = block("From a browser", "js").replace(WRITTEN, services.url)
    said: list[str] = []
    page.on("console", lambda each: said.append(each.text))
    await page.goto(f"{services.url}/health")
    async with page.expect_console_message(_is_of_the_end) as ended:
        await page.evaluate(RUN, code)
    [output] = await (await ended.value).args[0].json_value()
    url = f"/tasks/{services.newest_id()}/outputs/0"
    assert (output["content_type"], output["url"]) == ("image/png", url)
    assert any(NUMBER.fullmatch(each) for each in said), "no progress was told"
    assert (await page.evaluate("img.src")).startswith("data:image/")


def _is_of_the_end(said: ConsoleMessage) -> bool:
    return said.type == "log" and not NUMBER.fullmatch(said.text)
