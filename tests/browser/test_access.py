"""The page of a server that asks for keys."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.acceptance.processes import ROOT, Program, eventually
from tests.browser.gateway import Gateway
from tests.browser.guard import Guard
from tests.browser.studio import Studio, size_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def locked(whole_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    name = f"locked-{tmp_path_factory.mktemp('locked').name}"
    backend = whole_gateway.beside(name, REQUIRE_API_KEY="true")
    backend.start()
    eventually(lambda: "engine comfyui" in backend.log.read_text())
    yield backend
    backend.stop()


@pytest.fixture
def origin(locked: Program) -> str:
    return locked.url


def new_key(backend: Program, name: str, *options: str) -> str:
    made = subprocess.run(
        [sys.executable, "-m", "backend.keys", "create", name, *options],
        cwd=ROOT,
        env=backend.whole_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return made.stdout.strip()


class Gate:
    """The dialog that asks for a key."""

    def __init__(self, page: Page) -> None:
        self.dialog = page.get_by_role("dialog", name="This API asks for a key")

    async def give(self, secret: str) -> None:
        await self.dialog.get_by_label("API key").fill(secret)
        await self.dialog.get_by_role("button", name="Use this key").click()


async def test_key_is_asked_for_used_and_kept_out_of_everything_but_the_header(
    page: Page, locked: Program, guard: Guard, context: BrowserContext
) -> None:
    secret = new_key(locked, "somebody")
    studio, gate = Studio(page, locked.url), Gate(page)
    await page.goto(locked.url)
    await expect(gate.dialog).to_be_visible()
    await gate.give("not a key of ours")
    await expect(gate.dialog.get_by_role("alert")).not_to_be_empty()
    await gate.give("cgw_wrong")
    await expect(gate.dialog.get_by_role("alert")).not_to_be_empty()
    await gate.give(secret)
    await expect(gate.dialog).to_be_hidden()
    card = await studio.generated("behind the gate")
    await card.get_by_role("button", name="Open", exact=True).click()
    picture = studio.viewer.get_by_role("img", name="behind the gate")
    assert await size_of(picture) == [64, 64]
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Copy as…").click()
    await expect(page.get_by_role("region", name="The call")).to_contain_text("$API_KEY")
    assert secret not in await page.content()
    assert not [url for url in guard.urls if secret in url]
    assert secret not in json.dumps(await context.storage_state(indexed_db=True))


async def test_key_stays_for_the_tab_until_it_is_forgotten(
    page: Page, locked: Program, context: BrowserContext
) -> None:
    studio, gate = Studio(page, locked.url), Gate(page)
    await page.goto(locked.url)
    await gate.give(new_key(locked, "tab"))
    await studio.at_work()
    await studio.prompt.fill("a private prompt")
    await page.reload()
    await studio.at_work()
    await expect(gate.dialog).to_be_hidden()
    await expect(studio.prompt).to_have_value("a private prompt")
    another = await context.new_page()
    await another.goto(locked.url)
    await expect(Gate(another).dialog).to_be_visible()
    await another.close()
    await studio.go("Status")
    await expect(page.get_by_text("tab (read, submit)")).to_be_visible()
    await page.get_by_role("button", name="Forget this key").click()
    await expect(gate.dialog).to_be_visible()
    assert await page.evaluate("JSON.stringify({ ...sessionStorage, ...localStorage })") == "{}"


async def test_escape_does_not_leave_a_dead_page(page: Page, locked: Program) -> None:
    studio, gate = Studio(page, locked.url), Gate(page)
    await page.goto(locked.url)
    await expect(gate.dialog).to_be_visible()
    for _ in range(3):
        await page.keyboard.press("Escape")
    await gate.give(new_key(locked, "patient"))
    await studio.at_work()
    await expect(gate.dialog).to_be_hidden()


async def test_revoked_key_is_told_and_another_goes_on_in_the_middle(
    page: Page, locked: Program, guard: Guard
) -> None:
    guard.expect_failed_requests("status of 401")
    studio, gate = Studio(page, locked.url), Gate(page)
    await page.goto(locked.url)
    await gate.give(new_key(locked, "short-lived"))
    await studio.at_work()
    revoke(locked, "short-lived")
    await studio.prompt.fill("not lost")
    await studio.generate_button.click()
    await expect(gate.dialog).to_be_visible()
    await gate.give(new_key(locked, "the next"))
    await expect(gate.dialog).to_be_hidden()
    await expect(studio.prompt).to_have_value("not lost")
    card = await studio.generated("not lost")
    await expect(card).to_contain_text("not lost")


async def test_admin_sees_keys_and_revokes_one(page: Page, locked: Program) -> None:
    new_key(locked, "unwanted")
    studio, gate = Studio(page, locked.url), Gate(page)
    await page.goto(locked.url)
    await gate.give(new_key(locked, "boss", "--scope", "admin"))
    await studio.at_work()
    await studio.go("Status")
    row = page.get_by_role("row").filter(has_text="unwanted")
    await expect(row).to_contain_text("valid")
    await row.get_by_role("button", name="Revoke unwanted").click()
    await row.get_by_role("button", name="sure?").click()
    await expect(row).to_contain_text("revoked")
    await expect(page.get_by_role("heading", name="API keys")).to_be_focused()


def revoke(backend: Program, name: str) -> None:
    """As an operator does it, beside the running backend."""
    listed = subprocess.run(
        [sys.executable, "-m", "backend.keys", "list"],
        cwd=ROOT,
        env=backend.whole_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [line] = [each for each in listed.stdout.splitlines() if name in each]
    subprocess.run(
        [sys.executable, "-m", "backend.keys", "revoke", line.split()[0]],
        cwd=ROOT,
        env=backend.whole_environment,
        timeout=60,
        check=True,
        capture_output=True,
    )
