"""Following what is made."""

import re
import signal

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.acceptance.processes import eventually
from tests.browser.gateway import Gateway
from tests.browser.guard import Guard
from tests.browser.studio import Studio

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW, NEVER = "slow_steps=0.3", "slow_steps=60"
LOOK_AGAIN = 7_000
"""Milliseconds: more than between two looks at what waits, far less than where nothing does."""
CUT_OFF = (
    r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|SOCKET_NOT_CONNECTED"
    r"|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)"
)
"""What Chromium says of a server that was killed, by how far the request had come."""


def in_line(services: Gateway, count: int) -> None:
    """Tasks of another client: the first one never ends."""
    services.fault(NEVER)
    for number in range(count):
        body = {"mode": "free", "prompt": f"in line {number}"}
        services.ask("POST", "/generate", json=body)


async def test_progress_and_preview_are_seen_while_it_runs(page: Page, services: Gateway) -> None:
    services.fault("previews", SLOW)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    card = await studio.generate("a slow one")
    await expect(card).to_contain_text(re.compile(r"Running · Sampler · [1-9]\d? %"))
    bar = card.get_by_role("progressbar", name="Progress")
    first = float(await bar.get_attribute("value") or 0)
    assert 0 < first < 1
    await expect(card.get_by_role("img", name=re.compile("preview"))).to_be_visible()
    await expect(bar).not_to_have_attribute("value", str(first))
    services.cure()
    await expect(card).to_contain_text("Done")
    await expect(bar).to_be_hidden()


async def test_running_task_is_cancelled_and_comfyui_is_free_again(
    page: Page, services: Gateway
) -> None:
    services.fault(NEVER)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    card = await studio.generate("not wanted after all")
    await expect(card).to_contain_text("Running")
    await card.get_by_role("button", name="Cancel").click()
    await expect(card).to_contain_text("Cancelled")
    assert services.newest()["status"] == "cancelled"
    eventually(lambda: services.comfyui_is_idle)


async def test_waiting_task_tells_its_place_is_cancelled_and_tried_again(
    page: Page, services: Gateway
) -> None:
    services.fault(NEVER)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    running = await studio.generate("the first")
    await expect(running).to_contain_text("Running")
    for number in range(2):
        await studio.generate(f"waits {number}")
    waiting = studio.cards.first
    await expect(waiting).to_contain_text(re.compile("Waiting · (1 before it|next in line)"))
    await waiting.get_by_role("button", name="Cancel").click()
    await expect(waiting).to_contain_text("Cancelled")
    await waiting.get_by_role("button", name="Try again").click()
    await expect(waiting).to_contain_text("Waiting")
    services.cure()
    for number in range(3):
        await expect(studio.cards.nth(number)).to_contain_text("Done")


async def test_place_that_is_not_asked_for_again_is_not_told(page: Page, services: Gateway) -> None:
    in_line(services, 7)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    last = await studio.generate("far behind")
    await expect(last.get_by_text("Waiting", exact=True)).to_be_visible()
    await expect(studio.cards.nth(1)).to_contain_text("Waiting · 4 before it")


async def test_what_runs_is_shown_however_many_wait(page: Page, services: Gateway) -> None:
    in_line(services, 102)
    eventually(lambda: services.ask("GET", "/queue")["running"])
    studio = Studio(page, services.url)
    await studio.open()
    await expect(studio.cards.filter(has_text="Running")).not_to_have_count(0)


async def test_first_task_of_an_idle_page_is_looked_after_soon(
    page: Page, services: Gateway
) -> None:
    services.fault(NEVER)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    await studio.generate("the only one")
    is_look = re.compile(r"/tasks\?status=queued")
    async with page.expect_request(is_look, timeout=LOOK_AGAIN):
        pass


async def test_failed_task_says_why(page: Page, services: Gateway) -> None:
    services.fault("execution_error")
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    card = await studio.generate("goes wrong")
    await expect(card).to_contain_text("Failed")
    await expect(card).to_contain_text(services.newest()["error"])


async def test_reload_in_the_middle_of_a_task_takes_it_up_again(
    page: Page, services: Gateway
) -> None:
    services.fault("previews", SLOW)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    card = await studio.generate("looked at twice")
    await expect(card).to_contain_text(re.compile(r"Running · Sampler · \d+ %"))
    await page.reload()
    await studio.at_work()
    await expect(studio.cards).to_have_count(1)
    await expect(card).to_contain_text("looked at twice")
    await expect(card).to_contain_text(re.compile(r"Running · Sampler · [1-9]\d? %"))
    await expect(card.get_by_role("img", name=re.compile("preview"))).to_be_visible()
    assert await studio.prompt.input_value() == "looked at twice"
    services.cure()
    await expect(card).to_contain_text("Done")


async def test_connection_lost_is_told_and_taken_up_again(
    page: Page, services: Gateway, guard: Guard
) -> None:
    guard.expect_failed_requests(CUT_OFF)
    services.fault(SLOW)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    card = await studio.generate("outlives the server")
    await expect(card).to_contain_text("Running · Sampler")
    services.programs.backend.signal(signal.SIGKILL)
    lost = page.get_by_text("The connection to the server is lost. Trying again…")
    await expect(lost).to_be_visible()
    services.programs.backend.start()
    await expect(lost).to_be_hidden()
    services.cure()
    await expect(card).to_contain_text("Done")


async def test_what_is_sent_while_the_server_is_away_is_sent_once_when_it_is_back(
    page: Page, services: Gateway, guard: Guard
) -> None:
    guard.expect_failed_requests(CUT_OFF)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    before = services.newest_id()
    services.programs.backend.signal(signal.SIGKILL)
    await studio.prompt.fill("sent into the dark")
    await studio.generate_button.click()
    await studio.generate_button.click()
    await expect(page.get_by_text("This is sent as soon as it does.")).to_be_visible()
    services.programs.backend.start()
    await expect(studio.cards.first).to_contain_text("Done")
    tasks = services.ask("GET", "/tasks", params={"limit": 2})["tasks"]
    assert tasks[0]["parameters"]["prompt"] == "sent into the dark"
    assert tasks[1]["task_id"] == before


async def test_parameters_of_a_task_are_used_again_to_the_last_digit(
    page: Page, services: Gateway
) -> None:
    """Seeds are larger than what a JavaScript number can hold."""
    seed = 2**63 + 12345
    studio = Studio(page, services.url)
    await studio.open()
    await page.get_by_label("Seed", exact=True).fill(str(seed))
    card = await studio.generated("a seed with many digits")
    assert services.newest()["seed"] == seed
    await page.get_by_label("Seed", exact=True).fill("1")
    await studio.prompt.fill("something else")
    await card.get_by_role("button", name="Use these again").click()
    await expect(studio.prompt).to_have_value("a seed with many digits")
    await expect(page.get_by_label("Seed", exact=True)).to_have_value(str(seed))
    await studio.generate_button.click()
    await expect(studio.cards).to_have_count(2)
    await expect(studio.cards.first).to_contain_text("Done")
    task = services.newest()
    assert (task["seed"], task["parameters"]["width"]) == (seed, 64)


async def test_second_tab_works_while_tasks_wait_and_run(
    page: Page, services: Gateway, context: BrowserContext
) -> None:
    """A browser has six connections to a server, and all its tabs share them."""
    in_line(services, 4)
    tabs = [Studio(each, services.url) for each in (page, await context.new_page())]
    for tab in tabs:
        await tab.open()
        await expect(tab.cards).to_have_count(4)
    for tab in tabs:
        await tab.go("Gallery")
        told = tab.page.get_by_text(re.compile(r"Nothing here yet|\d task"))
        await expect(told.filter(visible=True)).to_have_count(1)


async def test_answers_of_a_proxy_before_the_server_are_a_lost_connection(
    page: Page, services: Gateway, guard: Guard
) -> None:
    """As a pod's proxy answers while the backend is away."""
    guard.expect_failed_requests("status of 502")
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()

    async def away(route: Route) -> None:
        await route.fulfill(status=502, body="<html>Bad gateway</html>", content_type="text/html")

    await page.route("**/*", away)
    await studio.prompt.fill("past the proxy")
    await studio.generate_button.click()
    lost = page.get_by_text("The connection to the server is lost. Trying again…")
    await expect(lost).to_be_visible()
    await page.unroute("**/*")
    await expect(lost).to_be_hidden()
    await expect(studio.cards.first).to_contain_text("Done")


async def test_focus_on_cancel_stays_when_the_task_begins_to_run(
    page: Page, services: Gateway
) -> None:
    services.fault(NEVER)
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    for number in range(3):
        await studio.generate(f"in line {number}")
    waiting = studio.cards.first
    await expect(waiting).to_contain_text("Waiting")
    cancel = waiting.get_by_role("button", name="Cancel")
    await cancel.focus()
    await studio.cards.nth(2).get_by_role("button", name="Cancel").dispatch_event("click")
    await expect(waiting).to_contain_text("Running")
    await expect(cancel).to_be_focused()
