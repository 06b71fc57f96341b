"""How long the page takes to be of use to somebody new, and what it weighs."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser

USABLE = """
window.usable = new Promise((done) => {
  const look = () => {
    const buttons = [...document.querySelectorAll("button")];
    const generate = buttons.find((each) => each.textContent.trim() === "Generate");
    const prompt = document.querySelector("textarea");
    const there = prompt?.checkVisibility() && generate?.checkVisibility() && !generate.disabled;
    if (there) done(performance.now());
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
"""
"""From the navigation on until a prompt can be typed and sent, in the page's own milliseconds."""


@dataclass(frozen=True)
class ColdLoad:
    """One visit with nothing in the cache."""

    seconds: float
    weights: dict[str, int]
    """Bytes on the wire by URL, heads included, without images."""

    @property
    def weight(self) -> int:
        """All of them together."""
        return sum(self.weights.values())


async def cold_load(browser: Browser, url: str) -> ColdLoad:
    """Open the page as somebody does who has never been here."""
    context = await browser.new_context()
    await context.add_init_script(USABLE)
    page = await context.new_page()
    kinds: dict[str, tuple[str, str]] = {}
    weights: dict[str, int] = {}

    def begun(event: dict[str, Any]) -> None:
        response = event["response"]
        kinds[event["requestId"]] = (response["url"], response["mimeType"])

    def ended(event: dict[str, Any]) -> None:
        where, kind = kinds[event["requestId"]]
        if not kind.startswith("image/"):
            weights[where] = weights.get(where, 0) + int(event["encodedDataLength"])

    devtools = await context.new_cdp_session(page)
    devtools.on("Network.responseReceived", begun)
    devtools.on("Network.loadingFinished", ended)
    await devtools.send("Network.enable")
    await page.goto(url)
    milliseconds = await page.evaluate("usable")
    await page.wait_for_load_state("networkidle")
    await context.close()
    return ColdLoad(milliseconds / 1000, weights)
