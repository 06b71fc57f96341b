"""axe-core, the accessibility checker, run inside a page."""

from functools import cache
from importlib.resources import files

from playwright.async_api import Page


@cache
def _script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


async def violations(page: Page) -> list[str]:
    """What is wrong with the page as it is shown now, a line for each element.

    The devtools put axe in: the page's content security policy stays as it is.
    """
    await page.evaluate(_script())
    results = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{found['id']}: {found['help']}: {' '.join(map(str, node['target']))}"
        for found in results["violations"]
        for node in found["nodes"]
    ]
