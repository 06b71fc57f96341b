"""Asking for something."""

import io
import re
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests import plain_http
from tests.browser.gateway import ABSENT, ABSENT_NODE, HOSTILE, Gateway
from tests.browser.guard import Guard
from tests.browser.pictures import landscape
from tests.browser.studio import Studio, size_of

FILL = """
for (let size = 2 ** 23; size >= 1; size /= 2) {
  try { sessionStorage.setItem(`filled ${size}`, "x".repeat(size)); } catch { /* Too large. */ }
}
"""
"""Leaves no room in what a tab may keep."""
PAINTED_IN_THE_MIDDLE = """
(canvas) => {
  const { width, height } = canvas;
  return canvas.getContext("2d").getImageData(width / 2, height / 2, 1, 1).data[3] > 0;
}
"""

pytestmark = pytest.mark.asyncio(loop_scope="session")


def told_by_the_api(services: Gateway, body: dict[str, Any]) -> str:
    """What it says against a request."""
    reply = plain_http.post(f"{services.url}/generate", json=body)
    assert reply.status_code == 422
    return str(reply.json()["detail"])


async def test_prompt_becomes_an_image(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await page.get_by_label("Width", exact=True).fill("128")
    await page.get_by_label("Height", exact=True).fill("64")
    card = await studio.generate("a lighthouse at dawn")
    await expect(card).to_contain_text("Done")
    await card.get_by_role("button", name="Open", exact=True).click()
    await expect(studio.viewer.get_by_role("heading")).to_have_text("a lighthouse at dawn")
    picture = studio.viewer.get_by_role("img", name="a lighthouse at dawn")
    assert await size_of(picture) == [128, 64]
    task = services.newest()
    assert (task["mode"], task["parameters"]["prompt"]) == ("free", "a lighthouse at dawn")
    await expect(studio.viewer).to_contain_text(str(task["seed"]))


@pytest.mark.parametrize(
    ("label", "name", "typed"),
    [("Width", "width", "70"), ("Height", "height", "5000"), ("Steps", "steps", "0")],
)
async def test_wrong_value_is_told_at_its_field_in_the_words_of_the_api(
    page: Page, services: Gateway, label: str, name: str, typed: str
) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await page.get_by_text("More settings").click()
    field = page.get_by_label(label, exact=True)
    await field.fill(typed)
    await field.blur()
    told = told_by_the_api(services, {"mode": "free", "extra_params": {name: int(typed)}})
    await expect(field).to_have_accessible_description(re.compile(re.escape(told)))
    await expect(page.get_by_text(told)).to_be_visible()
    await studio.prompt.fill("never sent")
    await studio.generate_button.click()
    await expect(field).to_be_focused()
    await expect(studio.cards).to_have_count(0)
    await field.fill("64")
    await expect(page.get_by_text(told)).to_have_count(0)


async def test_required_image_is_asked_for_at_its_field(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose("Image to image")
    await studio.generate_button.click()
    await expect(page.get_by_label("Image", exact=True)).to_be_focused()
    told = told_by_the_api(services, {"mode": "image_to_image"})
    await expect(page.get_by_text(told)).to_be_visible()


async def test_everything_works_with_the_keyboard_alone(page: Page, services: Gateway) -> None:
    """From the address bar to the image and back: Tab, Enter, arrows, Escape."""
    studio = Studio(page, services.url)
    await studio.open()

    async def tab_to(name: str) -> None:
        for _ in range(60):
            await page.keyboard.press("Tab")
            focused = page.locator(":focus")
            label = await focused.evaluate(
                "(e) => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent"
            )
            if label.strip() == name:
                return
        raise AssertionError(f"Tab never comes to {name!r}")

    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # Skip to the content.
    await tab_to("Prompt")
    await page.keyboard.type("with no mouse")
    await tab_to("Generate")
    await page.keyboard.press("Enter")
    await expect(studio.cards.first).to_contain_text("Done")
    await tab_to("Open")
    await page.keyboard.press("Enter")
    await expect(studio.viewer.get_by_role("heading")).to_have_text("with no mouse")
    await page.keyboard.press("Escape")
    await expect(studio.viewer).to_be_hidden()
    await tab_to("Dismiss")
    await page.keyboard.press("Enter")
    await expect(studio.cards).to_have_count(0)


async def test_control_and_enter_send_from_any_field(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    await studio.prompt.fill("sent while typing")
    await page.keyboard.press("Control+Enter")
    await expect(studio.cards.first).to_contain_text("Done")


async def test_hostile_texts_and_names_are_only_ever_text(page: Page, services: Gateway) -> None:
    """The guard fails where any of it comes alive."""
    prompt = f"\"'</textarea>{HOSTILE}<script>alert(2)</script> ${{alert(3)}}"
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose("Image to image")
    await page.get_by_text("More settings").click()
    await page.get_by_label("Model", exact=True).select_option(f"{HOSTILE}.safetensors")
    await page.get_by_label("Image", exact=True).set_input_files(
        {"name": f'"{HOSTILE}.png', "mimeType": "image/png", "buffer": landscape(1, 64, 64)}
    )
    await expect(page.get_by_text(f'"{HOSTILE}.png')).to_be_visible()
    await page.get_by_label("Size", exact=True).fill("64")
    card = await studio.generate(prompt)
    await expect(card).to_contain_text("Done")
    await expect(card).to_contain_text(prompt)
    await card.get_by_role("button", name="Open", exact=True).click()
    await expect(studio.viewer.get_by_role("heading")).to_have_text(prompt)
    await expect(studio.viewer).to_contain_text(f"{HOSTILE}.safetensors")
    await page.keyboard.press("Escape")
    await studio.go("Gallery")
    await expect(studio.tiles.first.get_by_role("button")).to_have_accessible_name(
        re.compile(re.escape(prompt))
    )
    await studio.go("Create")
    await studio.choose(f"Portrait {HOSTILE}")
    await expect(page.get_by_text(f"Faces {HOSTILE} in soft light.")).to_be_visible()


async def test_mode_without_its_model_says_what_to_install(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose(f"Portrait {HOSTILE}")
    note = page.get_by_role("note")
    await expect(note).to_contain_text(ABSENT)
    await expect(note).to_contain_text("checkpoints")
    await page.get_by_label("Width", exact=True).fill("64")
    await page.get_by_label("Height", exact=True).fill("64")
    await studio.prompt.fill("somebody")
    await studio.generate_button.click()
    model = page.get_by_label("Model", exact=True)
    await expect(model).to_be_focused()
    await expect(model).to_have_accessible_description(re.compile(re.escape(ABSENT)))
    await model.select_option("random-sd15.safetensors")
    card = await studio.generate("somebody")
    await expect(card).to_contain_text("Done")


async def test_mode_without_its_nodes_cannot_be_sent(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose("Film")
    await expect(page.get_by_role("note")).to_contain_text(ABSENT_NODE)
    await expect(studio.generate_button).to_be_disabled()


async def test_mask_is_painted_with_the_keyboard(page: Page, services: Gateway) -> None:
    """What comes to ComfyUI is white where it was painted, in the middle, and black at the rim."""
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose("Inpaint")
    await page.get_by_label("Image", exact=True).set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": landscape(2, 96, 64)}
    )
    canvas = page.get_by_role("application")
    await expect(canvas).to_have_attribute("width", "96")
    await canvas.focus()
    await page.keyboard.press("Space")
    await page.get_by_text("More settings").click()
    await page.get_by_label("Size", exact=True).fill("96")
    card = await studio.generate("a boat")
    await expect(card).to_contain_text("Done")
    _, mask = services.comfyui_uploads()[-2:]
    with Image.open(io.BytesIO(mask)) as picture:
        grey = picture.convert("L")
    assert grey.size == (96, 64)
    assert (grey.getpixel((48, 32)), grey.getpixel((2, 2))) == (255, 0)


async def test_form_stays_while_no_modes_are_known(page: Page, services: Gateway) -> None:
    """As of a backend that was restarted while the GPU service is away."""
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose("Image to image")
    await studio.prompt.fill("half written")
    nothing: dict[str, Any] = {"engine": None, "modes": []}
    await page.route("**/modes", lambda route: route.fulfill(json=nothing))
    await studio.go("Status")
    await expect(page.get_by_text("Not known yet")).to_be_visible()
    await studio.go("Create")
    await expect(page.get_by_label("Mode").first).to_have_value("image_to_image")
    await expect(studio.prompt).to_have_value("half written")
    await page.reload()
    await studio.at_work()
    await expect(page.get_by_label("Mode").first).to_have_value("free")
    await page.unroute("**/modes")
    await studio.go("Status")
    await studio.go("Create")
    await expect(page.get_by_label("Mode").first).to_have_value("image_to_image")
    await expect(studio.prompt).to_have_value("half written")


async def test_mask_stays_when_its_mode_is_told_anew(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await studio.choose("Inpaint")
    await page.get_by_label("Image", exact=True).set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": landscape(2, 96, 64)}
    )
    canvas = page.get_by_role("application")
    await expect(canvas).to_have_attribute("width", "96")
    await canvas.focus()
    await page.keyboard.press("Space")
    told = services.ask("GET", "/modes")
    for mode in told["modes"]:
        mode["description"] = "Told anew."
    await page.route("**/modes", lambda route: route.fulfill(json=told))
    await studio.go("Status")
    await studio.go("Create")
    await expect(page.get_by_text("Told anew.")).to_be_visible()
    await expect(canvas).to_have_attribute("width", "96")
    assert await canvas.evaluate(PAINTED_IN_THE_MIDDLE)


async def test_typing_goes_on_where_the_browser_has_no_room_to_keep_it(
    page: Page, services: Gateway
) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await page.evaluate(FILL)
    await studio.small()
    card = await studio.generate("kept nowhere " * 100)
    await expect(card).to_contain_text("Done")


async def test_server_that_cannot_let_in_yet_is_waited_for(
    page: Page, services: Gateway, guard: Guard
) -> None:
    guard.expect_failed_requests("status of 503")
    problem = {"detail": "The keys cannot be read.", "code": "keys_unusable"}
    await page.route(
        "**/access",
        lambda route: route.fulfill(status=503, json=problem, headers={"Retry-After": "1"}),
        times=1,
    )
    studio = Studio(page, services.url)
    await page.goto(services.url)
    await expect(page.get_by_text("The keys cannot be read.")).to_be_visible()
    await studio.generated("in the end")
