"""On each screen, in each light, for everybody."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.acceptance.processes import eventually
from tests.browser.axe import violations
from tests.browser.gallery import varied
from tests.browser.gateway import Gateway, knows_modes
from tests.browser.history import remember
from tests.browser.studio import Studio

pytestmark = pytest.mark.asyncio(loop_scope="session")

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT_OFF = """
[...document.querySelectorAll("dialog[open] *, main *")]
  .filter((each) => each.checkVisibility() && !each.closest("pre, .table, .unseen, svg"))
  .filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
  })
  .map((each) => `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`)
"""
"""What reaches over the edge of the screen, except what scrolls for itself."""

SCREENS = ((1280, 800), (360, 640))
FIELDS = 45
"""More than the controls of the form."""
COVERED = """
async () => {
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  const focused = document.activeElement;
  const box = focused.getBoundingClientRect();
  const found = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const bar = found?.closest(".actions, .top");
  const isBehind = bar && !bar.contains(focused);
  return isBehind ? `${focused.outerHTML.slice(0, 80)} by ${bar.className}` : "";
}
"""
"""Which bar lies on the middle of what has the focus, once it has been scrolled to."""

OVERLAP = """
[...document.querySelectorAll("article")]
  .map((card) => [...card.children].map((each) => each.getBoundingClientRect()))
  .filter(([one, other]) => one.right > other.left + 1 && one.bottom > other.top + 1)
  .map(([one, other]) => `a picture ${one.width} wide lies under a text ${other.width} wide`)
"""
"""Cards whose text lies on their picture."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def origin(
    whole_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """A backend with something to show."""
    name = f"looks-{tmp_path_factory.mktemp('looks').name}"
    await remember(whole_gateway.folder / name, varied(24, share=0.1))
    backend = whole_gateway.beside(name)
    backend.start()
    eventually(lambda: knows_modes(backend.url))
    yield backend.url
    backend.stop()


async def scenes(page: Page, url: str) -> AsyncIterator[str]:
    """Every view and every dialog, one after the other."""
    studio = Studio(page, url)
    await studio.open()
    await page.get_by_text("More settings").click()
    await page.get_by_label("Width", exact=True).fill("70")
    await page.get_by_label("Width", exact=True).blur()
    yield "a form with a fault"
    card = await studio.generated("a lighthouse at dawn, long exposure, soft fog, 35mm")
    await expect(card.locator("img")).to_be_visible()
    yield "a task that is done"
    await page.get_by_role("button", name="Copy as…").click()
    yield "the call"
    await page.keyboard.press("Escape")
    await studio.choose("Film")
    yield "a mode that lacks something"
    await studio.choose("Inpaint")
    yield "images to choose"
    await studio.go("Gallery")
    await page.get_by_label("Show").select_option("All finished")
    await expect(studio.tiles.nth(20)).to_be_attached()
    yield "the gallery"
    pictures = studio.tiles.filter(has=page.locator("img"))
    await pictures.nth(1).get_by_role("button").click()
    await expect(studio.viewer.get_by_role("img")).to_be_visible()
    yield "the viewer"
    await studio.viewer.get_by_role("button", name="Compare").click()
    yield "the gallery, comparing"
    await pictures.nth(2).get_by_role("button").click()
    await expect(page.get_by_role("dialog", name="Compare")).to_be_visible()
    yield "two images"
    await page.keyboard.press("Escape")
    await studio.go("Status")
    yield "the status"


def told(found: Mapping[str, Sequence[str]]) -> str:
    """What is wrong, a line each."""
    return "\n".join(f"{scene}: {line}" for scene, lines in found.items() for line in lines)


async def test_axe_finds_no_violation_in_either_light(page: Page, origin: str) -> None:
    found = {}
    async for scene in scenes(page, origin):
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if wrong := await violations(page):
                found[f"{scene}, {scheme}"] = wrong
    assert not found, told(found)


@pytest.mark.parametrize("size", SCREENS, ids=str)
async def test_what_has_the_focus_is_not_behind_the_bars(
    page: Page, origin: str, size: tuple[int, int]
) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    studio = Studio(page, origin)
    await studio.open()
    await page.get_by_text("More settings").click()
    covered = []
    for key in ["Tab"] * FIELDS + ["Shift+Tab"] * FIELDS:
        await page.keyboard.press(key)
        if behind := await page.evaluate(COVERED):
            covered.append(f"{key}: {behind}")
    assert not covered, "\n".join(covered)


async def test_nothing_is_cut_off_or_covered_on_a_small_phone(page: Page, origin: str) -> None:
    await page.set_viewport_size({"width": 360, "height": 640})
    found = {}
    async for scene in scenes(page, origin):
        wrong = [*await page.evaluate(CUT_OFF), *await page.evaluate(OVERLAP)]
        if (wide := await page.evaluate(OVERFLOW)) > 0:
            wrong.append(f"{wide} pixels too wide")
        if wrong:
            found[scene] = wrong
    assert not found, told(found)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
async def test_page_is_dark_where_the_user_s_screen_is(
    page: Page, origin: str, scheme: Scheme, dark: bool
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.goto(origin)
    assert (sum(await page.evaluate(BACKGROUND)) < 3 * 128) is dark


async def test_nothing_moves_for_who_wants_no_motion(page: Page, origin: str) -> None:
    await page.emulate_media(reduced_motion="reduce")
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await expect(studio.tiles.first).to_be_visible()
    moving = "document.getAnimations().filter((each) => each.playState === 'running').length"
    assert await page.evaluate(moving) == 0
