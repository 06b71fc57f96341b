"""Pictures of the page as it is, for people to look at.

    python -m tests.browser.screenshots OUT_DIR

The three views and the dialogs, light and dark, 1280 pixels wide and 360, with a past to show and
tasks at work.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.acceptance.processes import eventually
from tests.browser.chromium import chromium
from tests.browser.gallery import varied
from tests.browser.gateway import Gateway, gateway, knows_modes
from tests.browser.history import remember
from tests.browser.studio import Studio

PAST = 48
WIDTHS = {1280: 800, 360: 740}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@contextmanager
def backend_with_a_past(programs: Gateway) -> Iterator[str]:
    """The URL of a backend whose gallery is not empty."""
    asyncio.run(remember(programs.folder / "album", varied(PAST)))
    backend = programs.beside("album")
    backend.start()
    try:
        eventually(lambda: knows_modes(backend.url))
        yield backend.url
    finally:
        backend.stop()


class Photographer:
    """One visit, in one size and one colour scheme."""

    def __init__(self, page: Page, url: str, folder: Path, name: str) -> None:
        self._page = page
        self._studio = Studio(page, url)
        self._folder = folder
        self._name = name

    async def visit(self) -> None:
        await self._studio.open()
        await self._create()
        await self._gallery()
        await self._studio.go("Status")
        await self._shoot("status")

    async def _create(self) -> None:
        page, studio = self._page, self._studio
        await self._shoot("create-first")
        await studio.prompt.fill("a lighthouse at dawn, long exposure, soft fog, 35mm")
        await studio.generate_button.click()
        await expect(studio.cards.first).to_contain_text("Running · Sampler")
        await expect(studio.cards.first.get_by_role("img")).to_be_visible()
        await studio.generate("misty hills, layered paper cut")
        await studio.generate("a tiny greenhouse on the moon")
        await page.get_by_text("More settings").click()
        await page.get_by_label("Width", exact=True).fill("70")
        await page.get_by_label("Width", exact=True).blur()
        await self._shoot("create-running", whole=True)
        await page.get_by_label("Width", exact=True).fill("1024")
        await page.get_by_role("button", name="Copy as…").click()
        await self._shoot("copy-as")
        await page.keyboard.press("Escape")
        await studio.choose("Image to image")
        await self._shoot("image-to-image", whole=True)
        for card in await studio.cards.all():
            await card.get_by_role("button", name="Cancel").click()
        await expect(studio.cards.first).to_contain_text("Cancelled")

    async def _gallery(self) -> None:
        page, studio = self._page, self._studio
        await studio.go("Gallery")
        await expect(studio.tiles.nth(20)).to_be_visible()
        await self._shoot("gallery")
        await studio.tiles.nth(1).get_by_role("button").click()
        await self._shoot("viewer")
        await studio.viewer.get_by_role("button", name="Compare").click()
        await self._shoot("gallery-comparing")
        await studio.tiles.nth(2).get_by_role("button").click()
        await self._shoot("compare")
        await page.keyboard.press("Escape")

    async def _shoot(self, what: str, *, whole: bool = False) -> None:
        await self._page.wait_for_timeout(400)  # Pictures fade in.
        if whole:
            await self._page.evaluate("scrollTo(0, 0)")
        path = self._folder / f"{what}-{self._name}.png"
        await self._page.screenshot(path=path, full_page=whole)


async def shoot(browser: Browser, url: str, folder: Path) -> None:
    """All of them."""
    for width, height in WIDTHS.items():
        for scheme in SCHEMES:
            context = await browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = await context.new_page()
            await Photographer(page, url, folder, f"{width}-{scheme}").visit()
            await context.close()


async def photograph(url: str, folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        await shoot(browser, url, folder)
        await browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    wanted = parser.parse_args(arguments)
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        gateway(Path(folder)) as programs,
        backend_with_a_past(programs) as url,
    ):
        programs.fault("previews", "slow_steps=1")
        asyncio.run(photograph(url, wanted.folder))
    sys.stdout.write("".join(f"{path}\n" for path in sorted(wanted.folder.glob("*.png"))))


if __name__ == "__main__":
    main()
