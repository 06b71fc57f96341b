"""The guard itself: it finds what it is there for."""

import pytest
from playwright.async_api import BrowserContext

from tests.browser.guard import Guard

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORIGIN = "http://page.test"
POLICY = {"Content-Security-Policy": "script-src 'self' 'unsafe-inline'; img-src 'self'"}


async def findings(context: BrowserContext, body: str, expected: str = "") -> list[str]:
    """What is found on a page that its own server sends so, while every other request fails."""
    guard = Guard(context, ORIGIN)
    if expected:
        guard.expect_failed_requests(expected)
    await context.route("**", lambda route: route.fulfill(status=404, body=""))
    await context.route(
        f"{ORIGIN}/",
        lambda route: route.fulfill(body=body, headers=POLICY, content_type="text/html"),
    )
    page = await context.new_page()
    await page.goto(f"{ORIGIN}/")
    await page.evaluate("new Promise(requestAnimationFrame)")  # What was said has been heard.
    return sorted(each.split(": ")[0] for each in guard.findings)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<p>All is well<script>console.log('and said so')</script>", []),
        ("<script>console.warn('odd')</script>", ["console warning"]),
        ("<script>console.error('bad')</script>", ["console error"]),
        ("<script>throw new Error('broken')</script>", ["uncaught"]),
        ("<script>Promise.reject(new Error('broken'))</script>", ["uncaught"]),
        ("<script>alert('gotcha')</script>", ["dialog"]),
        ("<script src=/missing.js></script>", ["console error"]),
        ("<iframe src=http://elsewhere.test/></iframe>", ["another host", "console error"]),
        ("<img src=http://elsewhere.test/a.png>", ["another host", "console error"]),
        ("<script>eval('1')</script>", ["uncaught"]),
    ],
)
async def test_guard_finds(context: BrowserContext, body: str, found: list[str]) -> None:
    assert await findings(context, body) == found


async def test_only_a_failed_request_that_is_expected_passes(context: BrowserContext) -> None:
    body = "<script src=/missing.js></script><script>nope()</script>"
    assert await findings(context, body, "status of 404") == ["uncaught"]
