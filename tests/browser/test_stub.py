"""The page as it is out of the box: the engine is the stub, and no image must be taken for one."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.processes import Pair, eventually, pair
from tests.browser.guard import Guard
from tests.browser.studio import Studio

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("stub")) as programs:
        programs.gpu_server.start()
        programs.backend.start()
        eventually(lambda: "engine stub" in programs.backend.log.read_text())
        yield programs


async def test_placeholder_is_called_one(stub: Pair, browser: Browser) -> None:
    context = await browser.new_context()
    guard, page = Guard(context, stub.backend.url), await context.new_page()
    studio = Studio(page, stub.backend.url)
    await studio.open()
    await expect(page.get_by_text("The engine is the stub")).to_be_visible()
    await expect(page.get_by_text("GENERATION_ENGINE=comfyui").first).to_be_visible()
    card = await studio.generate("a lighthouse")
    await expect(card).to_contain_text("Done")
    await expect(card).to_contain_text("placeholder")
    await card.get_by_role("button", name="Open", exact=True).click()
    await expect(studio.viewer).to_contain_text("A placeholder of the stub engine")
    await expect(studio.viewer.get_by_role("img")).to_have_count(0)
    guard.check()
    await context.close()
