"""What people do with the page, by the names that they read."""

import re

from playwright.async_api import Locator, Page, expect


class Studio:
    """One tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    async def open(self, view: str = "Create") -> None:
        """Come to the page, at one of its views."""
        await self.page.goto(f"{self._url}/#{view.lower()}")
        await expect(self.page.get_by_role("heading", name=view, level=1)).to_be_visible()
        await self.at_work()

    async def at_work(self) -> None:
        """Wait until the page has asked for what it needs."""
        await expect(self.page.get_by_text("Looking…")).to_be_hidden()

    async def go(self, view: str) -> None:
        await self.page.get_by_role("link", name=view, exact=True).click()
        await expect(self.page.get_by_role("heading", name=view, level=1)).to_be_visible()

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_label("Prompt", exact=True)

    @property
    def generate_button(self) -> Locator:
        return self.page.get_by_role("button", name="Generate", exact=True)

    @property
    def cards(self) -> Locator:
        """The tasks under way, and how they ended; the newest first."""
        return self.page.get_by_role("article")

    @property
    def tiles(self) -> Locator:
        return self.page.get_by_role("list", name="Finished tasks").get_by_role("listitem")

    @property
    def viewer(self) -> Locator:
        return self.page.locator("dialog#viewer")

    async def choose(self, mode: str) -> None:
        await self.page.get_by_label("Mode").first.select_option(mode)

    async def small(self) -> None:
        """Ask for a picture that costs nothing."""
        await self.page.get_by_label("Width", exact=True).fill("64")
        await self.page.get_by_label("Height", exact=True).fill("64")

    async def generate(self, prompt: str) -> Locator:
        """Send the form with this prompt; the new task's card."""
        await self.prompt.fill(prompt)
        before = await self.cards.count()
        await self.generate_button.click()
        await expect(self.cards).to_have_count(before + 1)
        return self.cards.first

    async def generated(self, prompt: str) -> Locator:
        """A small picture, done."""
        await self.small()
        card = await self.generate(prompt)
        await expect(card).to_contain_text("Done")
        return card


async def size_of(image: Locator) -> list[int]:
    """The picture's own width and height, once it is there."""
    await expect(image).to_have_attribute("src", re.compile("."))
    size: list[int] = await image.evaluate(
        "(image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    )
    return size
