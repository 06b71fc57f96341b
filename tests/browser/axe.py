"""axe-core, the accessibility checker, run inside a page."""

from functools import cache
from importlib.resources import files

from playwright.async_api import Page

RUN = "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)"


@cache
def _script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


async def violations(page: Page) -> list[str]:
    """What is wrong with the page as it is shown now, a line for each element.

    The devtools put axe in: the page's content security policy stays as it is.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_script())
    found = await page.evaluate(RUN)
    return [
        f"{each['id']}: {each['help']}: {' '.join(map(str, node['target']))}"
        for each in found
        for node in each["nodes"]
    ]
