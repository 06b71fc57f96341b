"""What was made before: over 200 tasks."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests import plain_http
from tests.acceptance.processes import eventually
from tests.browser.gallery import varied
from tests.browser.gateway import Gateway, knows_modes
from tests.browser.guard import Guard
from tests.browser.history import Past, remember
from tests.browser.pictures import landscape
from tests.browser.studio import Studio, size_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

TASKS = 205
PAGE = 40
NEWEST = Past("the last of them", [landscape(4, 60, 40)], values={"seed": 7, "width": 60})
OUTPUT = re.compile(r"/outputs?/[^?]*\d+$")
DROPPED = """
["dragover", "drop"].map((kind) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["x"], "a.png", { type: "image/png" }));
  return document.body.dispatchEvent(
    new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }),
  );
})
"""
"""Whether the browser would do with the file what it does with any."""
BEFORE = Past("the last but one", [landscape(5, 40, 60), landscape(6, 40, 60)])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def origin(
    whole_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """A backend with a past."""
    name = f"album-{tmp_path_factory.mktemp('album').name}"
    pasts = [*varied(TASKS - 2, share=0.06), BEFORE, NEWEST]
    await remember(whole_gateway.folder / name, pasts)
    backend = whole_gateway.beside(name)
    backend.start()
    eventually(lambda: knows_modes(backend.url))
    yield backend.url
    backend.stop()


async def with_a_video(route: Route) -> None:
    """The page of tasks, whose first has made a video."""
    page = await (await route.fetch()).json()
    page["tasks"][0]["outputs"][0]["content_type"] = "video/mp4"
    await route.fulfill(json=page)


async def test_all_of_200_tasks_come_as_one_scrolls(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await page.get_by_label("Show").select_option("All finished")
    first = studio.tiles.first.locator("img")
    await expect(first).to_be_visible()
    assert await size_of(first) == [60, 40]
    seen = 0
    while (there := await studio.tiles.count()) < TASKS:
        assert there > seen or not seen, f"{there} of {TASKS} and no more"
        seen = there
        await studio.tiles.nth(there - 1).scroll_into_view_if_needed()
        await expect(studio.tiles.nth(there)).to_be_attached()
    await expect(page.get_by_text(f"{TASKS} tasks", exact=True)).to_be_visible()
    last = studio.tiles.nth(TASKS - 1)
    await last.scroll_into_view_if_needed()
    assert await size_of(last.locator("img")) != [0, 0]


async def test_page_that_does_not_fill_a_large_screen_is_followed_by_the_next(
    page: Page, origin: str
) -> None:
    await page.set_viewport_size({"width": 2560, "height": 1440})
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await expect(studio.tiles.nth(PAGE)).to_be_attached()


async def test_filters_show_what_failed_and_why(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await page.get_by_label("Show").select_option("Failed")
    await expect(studio.tiles.first).to_contain_text("ran out of GPU memory")
    await studio.tiles.first.get_by_role("button").click()
    await expect(studio.viewer).to_contain_text("ran out of GPU memory")
    await expect(studio.viewer.get_by_role("button", name="Compare")).to_be_hidden()


async def test_viewer_goes_on_with_the_arrow_keys(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    tile = studio.tiles.first.get_by_role("button")
    await tile.click()
    title = studio.viewer.get_by_role("heading")
    await expect(title).to_have_text("the last of them")
    await expect(studio.viewer).to_contain_text("Seed7")
    await page.keyboard.press("ArrowRight")
    await expect(title).to_have_text("the last but one")
    picture = studio.viewer.get_by_role("img", name="the last but one")
    assert await size_of(picture) == [40, 60]
    source = await picture.get_attribute("src")
    await page.keyboard.press("ArrowRight")  # The second picture of the same task.
    await expect(picture).not_to_have_attribute("src", source or "")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(title).to_have_text("the last of them")
    await page.keyboard.press("Escape")
    await expect(tile).to_be_focused()


async def test_two_images_are_compared(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.first.get_by_role("button").click()
    await studio.viewer.get_by_role("button", name="Compare").click()
    await expect(page.get_by_text("Choose another image to compare with.").first).to_be_visible()
    await studio.tiles.nth(1).get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="Compare")
    left = dialog.get_by_role("img", name="left: the last of them")
    right = dialog.get_by_role("img", name="right: the last but one")
    assert (await size_of(left), await size_of(right)) == ([60, 40], [40, 60])
    divider = dialog.get_by_role("slider", name="Divider")
    await expect(divider).to_be_focused()
    shown = "(image) => getComputedStyle(image).clipPath"
    before = await left.evaluate(shown)
    for _ in range(20):
        await page.keyboard.press("ArrowRight")
    await expect(divider).to_have_value("70")
    assert await left.evaluate(shown) != before
    assert "70%" in await left.evaluate(shown) or "30%" in await left.evaluate(shown)
    await page.keyboard.press("Escape")
    await studio.tiles.first.get_by_role("button").click()
    await expect(studio.viewer).to_be_visible()


async def test_two_halves_are_not_compared_where_one_is_gone(
    page: Page, origin: str, guard: Guard
) -> None:
    guard.expect_failed_requests("status of 404")
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.first.get_by_role("button").click()
    await studio.viewer.get_by_role("button", name="Compare").click()
    gone = {"detail": "There is no such output.", "code": "not_found"}
    await page.route(OUTPUT, lambda route: route.fulfill(status=404, json=gone))
    await studio.tiles.nth(1).get_by_role("button").click()
    await expect(page.get_by_role("alert").filter(has_text=gone["detail"])).to_be_visible()


async def test_what_is_no_image_is_opened_and_not_compared(page: Page, origin: str) -> None:
    await page.route(re.compile(r"/tasks\?.*status=done"), with_a_video)
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.nth(1).get_by_role("button").click()
    await studio.viewer.get_by_role("button", name="Compare").click()
    await studio.tiles.first.get_by_role("button").click()
    await expect(studio.viewer).to_be_visible()


async def test_viewer_goes_on_from_what_was_made_last(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open()
    await page.get_by_role("list", name="Latest").get_by_role("button").first.click()
    title = studio.viewer.get_by_role("heading")
    await expect(title).to_have_text("the last of them")
    await page.keyboard.press("ArrowRight")
    await expect(title).to_have_text("the last but one")
    await page.keyboard.press("Escape")
    focused = page.get_by_role("list", name="Latest").get_by_role("button").nth(1)
    await expect(focused).to_be_focused()


async def test_what_is_used_again_is_only_to_be_sent(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.first.get_by_role("button").click()
    await studio.viewer.get_by_role("button", name="Use these again").click()
    await expect(studio.prompt).to_have_value("the last of them")
    await expect(studio.viewer).to_be_hidden()
    await expect(studio.generate_button).to_be_focused()
    await page.go_back()
    await expect(studio.tiles.first).to_be_visible()


async def test_picture_that_is_moved_about_stays_in_sight(page: Page, origin: str) -> None:
    await page.set_viewport_size({"width": 400, "height": 700})
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.first.get_by_role("button").click()
    picture = studio.viewer.get_by_role("img")
    await size_of(picture)
    for _ in range(8):
        await page.keyboard.press("+")
    left = "(image) => image.getBoundingClientRect().left"
    still = await picture.evaluate(left)
    await page.keyboard.press("Shift+ArrowLeft")
    assert await picture.evaluate(left) > still
    for _ in range(3):
        await page.mouse.move(30, 150)
        await page.mouse.down()
        await page.mouse.move(370, 150, steps=4)
        await page.mouse.up()
    assert await picture.evaluate(left) < 200


async def test_image_is_downloaded_as_it_was_made(page: Page, origin: str, tmp_path: Path) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.first.get_by_role("button").click()
    async with page.expect_download() as downloading:
        await studio.viewer.get_by_role("button", name="Download").click()
    download = await downloading.value
    await download.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == NEWEST.pictures[0]
    assert re.fullmatch(r"[0-9a-f]{8}-0\.png", download.suggested_filename)


async def test_image_becomes_the_input_of_another_mode(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await studio.tiles.first.get_by_role("button").click()
    await studio.viewer.get_by_role("button", name="As input").click()
    await expect(page.get_by_label("Mode").first).to_have_value("image_to_image")
    await expect(page.get_by_text(re.compile(r"[0-9a-f]{8}-0\.png"))).to_be_visible()
    await page.get_by_text("More settings").click()
    await page.get_by_label("Size", exact=True).fill("64")
    card = await studio.generate("the same, but warmer")
    await expect(card).to_contain_text("Done")


async def test_deleted_image_is_gone_from_the_gallery_and_from_the_disk(
    page: Page, origin: str, whole_gateway: Gateway
) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    card = studio.tiles.first
    gone = await card.get_by_role("button").get_attribute("aria-label")
    await card.get_by_role("button").click()
    await size_of(studio.viewer.get_by_role("img"))  # Else what is deleted may be asked for yet.
    await studio.viewer.get_by_role("button", name="Delete").click()
    await studio.viewer.get_by_role("button", name="Delete for good?").click()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name=gone or "", exact=True)).to_have_count(0)
    await page.reload()
    await studio.at_work()
    await expect(studio.tiles.first).to_be_visible()
    await expect(page.get_by_role("button", name=gone or "", exact=True)).to_have_count(0)


def make_elsewhere(url: str, prompt: str) -> None:
    """As another client does, to its end."""
    body = {"mode": "free", "prompt": prompt, "extra_params": {"width": 64, "height": 64}}
    wait = {"Prefer": "wait=30"}
    reply = plain_http.post(f"{url}/generate", json=body, headers=wait, timeout=40)
    assert reply.json()["status"] == "done"


async def test_task_of_another_client_is_there_when_the_gallery_is_opened_again(
    page: Page, origin: str
) -> None:
    studio = Studio(page, origin)
    await studio.open("Gallery")
    await expect(studio.tiles.first).to_be_visible()
    await studio.go("Create")
    make_elsewhere(origin, "from elsewhere")
    await studio.go("Gallery")
    first = studio.tiles.first.get_by_role("button")
    await expect(first).to_have_accessible_name(re.compile("from elsewhere"))


async def test_task_that_another_client_has_deleted_is_gone_when_the_gallery_is_opened_again(
    page: Page, origin: str
) -> None:
    make_elsewhere(origin, "deleted elsewhere")
    studio = Studio(page, origin)
    await studio.open("Gallery")
    there = studio.tiles.get_by_role("button", name=re.compile("deleted elsewhere"))
    await expect(there).to_have_count(1)
    await studio.go("Create")
    newest = plain_http.get(f"{origin}/tasks?limit=1").json()["tasks"][0]["task_id"]
    plain_http.request("DELETE", f"{origin}/tasks/{newest}?remove=true").raise_for_status()
    await studio.go("Gallery")
    await expect(there).to_have_count(0)


async def test_card_of_a_deleted_task_is_gone(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open()
    card = await studio.generated("soon deleted")
    await card.get_by_role("button", name="Open", exact=True).click()
    await size_of(studio.viewer.get_by_role("img"))
    await studio.viewer.get_by_role("button", name="Delete").click()
    await studio.viewer.get_by_role("button", name="Delete for good?").click()
    await expect(studio.cards).to_have_count(0)


async def test_file_beside_the_fields_does_not_replace_the_page(page: Page, origin: str) -> None:
    studio = Studio(page, origin)
    await studio.open()
    assert await page.evaluate(DROPPED) == [False, False]


async def test_picture_that_could_not_be_fetched_comes_when_the_server_is_back(
    page: Page, origin: str, guard: Guard
) -> None:
    guard.expect_failed_requests("ERR_CONNECTION_FAILED")
    await page.route("**/thumbnail", lambda route: route.abort("connectionfailed"), times=3)
    studio = Studio(page, origin)
    await studio.open("Gallery")
    for number in range(4):
        await expect(studio.tiles.nth(number).locator("img.loaded")).to_be_visible()
