"""The call that the form would make, copied and run as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.gateway import HOSTILE, Gateway
from tests.browser.studio import Studio

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMPT = f'it\'s "a" $HOME `id` \\ {HOSTILE} é €\nand a second line'
SEED = 2**63 + 12345
RUN = {
    "curl": ["bash", "-c"],
    "Python": [sys.executable, "-c"],
    "OpenAI client": [sys.executable, "-c"],
}


def run(language: str, call: str, folder: Path) -> None:
    """As whoever copied it does."""
    done = subprocess.run(
        [*RUN[language], call],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", list(RUN))
async def test_copied_call_makes_the_task_that_the_form_would(
    context: BrowserContext,
    page: Page,
    services: Gateway,
    language: str,
    tmp_path: Path,
) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    studio = Studio(page, services.url)
    await studio.open()
    await studio.small()
    await page.get_by_label("Seed", exact=True).fill(str(SEED))
    await studio.prompt.fill(PROMPT)
    await page.get_by_role("button", name="Copy as…").click()
    dialog = page.get_by_role("dialog", name="Copy as")
    await dialog.get_by_text(language, exact=True).click()
    await dialog.get_by_role("button", name="Copy", exact=True).click()
    await expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    call: str = await page.evaluate("navigator.clipboard.readText()")
    assert call == await dialog.get_by_role("region", name="The call").inner_text()
    before = services.newest_id()
    run(language, call, tmp_path)
    task = services.ended(services.newest_id())
    assert task["task_id"] != before
    assert (task["status"], task["mode"]) == ("done", "free")
    values = {name: task["parameters"][name] for name in ("prompt", "seed", "width", "height")}
    assert values == {"prompt": PROMPT, "seed": SEED, "width": 64, "height": 64}


async def test_call_to_a_server_without_keys_names_none(page: Page, services: Gateway) -> None:
    studio = Studio(page, services.url)
    await studio.open()
    await page.get_by_role("button", name="Copy as…").click()
    text = page.get_by_role("region", name="The call")
    await expect(text).not_to_contain_text(re.compile("authorization", re.IGNORECASE))
