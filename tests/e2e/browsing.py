"""A real Chromium before the console: what a person does, and what must be true of every page they meet."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright

from tests.e2e.pictures import shrink
from tests.fixtures.tools import tool

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
PICTURES = os.environ.get("MLC_CONSOLE_PICTURES")
"""A folder for pictures of the pages (docs/images); none are made when it is not said."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
_WIDE, _TALLEST = 1040, 1000  # of a picture, in pixels


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's own; nothing is downloaded."""
    program = tool("chromium", "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


class Visitor:
    """Somebody with a browser. `faults` are what no page may ever cause."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.faults: list[str] = []
        page.set_default_timeout(20_000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        """A policy that was broken, a script that failed. That the server said no is no fault of the page."""
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.base):
            self.faults.append(f"left the house: {request.url}")

    async def go(self, path: str) -> None:
        await self.page.goto(self.base + path)

    async def sign_in(self, key: str) -> None:
        await self.go("/console/sign-in")
        await self.page.get_by_label("API key or operator key").fill(key)
        await self.press("Sign in")

    async def fill(self, label: str, value: str) -> None:
        whole = re.compile(rf"^{re.escape(label)}(?: \(optional\))?$")
        await self.page.get_by_label(whole).fill(value)

    async def press(self, name: str) -> None:
        """A button, by the name that is read out."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def follow(self, name: str) -> None:
        await self.page.get_by_role("link", name=name, exact=True).first.click()

    async def reads(self, text: str, seconds: float = 20) -> Locator:
        """Wait until the page says so."""
        found = self.page.get_by_text(text).first
        await found.wait_for(timeout=seconds * 1000)
        return found

    async def heading(self, name: str) -> None:
        await self.page.get_by_role("heading", name=name, exact=True, level=1).wait_for()

    async def tile(self, name: str) -> int:
        """The number of a tile."""
        term = self.page.locator(".tiles dt", has_text=name)
        text = await term.locator("xpath=following-sibling::dd").first.inner_text()
        return int("".join(character for character in text if character.isdigit()))

    async def next_stop(self, *, back: bool = False) -> str | None:
        """Press Tab. The name that is read out where the focus is now, which everybody must see; None for the
        browser's own controls."""
        await self.page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = await self.page.evaluate(_FOCUSED)
        if focused is None:
            return None
        assert focused["name"], f"a stop without a name: {focused['html']}"
        assert focused["outline"] != "none", f"a stop that is not seen: {focused['html']}"
        return str(focused["name"])

    async def tab_to(self, name: str, *, back: bool = False) -> None:
        """Press Tab until the control with this name has the focus."""
        for _ in range(_MOST_STOPS):
            if await self.next_stop(back=back) == name:
                return
        raise AssertionError(f"no way to {name}")

    async def walk(self) -> int:
        """Through the whole page by the keyboard: every control is a stop that is named and seen. How many."""
        await self.page.evaluate("document.activeElement.blur()")
        stops = 0
        while await self.next_stop() is not None:
            stops += 1
            assert stops < _MOST_STOPS, "the focus is caught in the page"
        return stops

    async def examine(self, name: str, *, dark_picture: bool = False) -> None:
        """Everybody can use this page, in light and in dark, and it holds what the house promises."""
        await self.page.wait_for_load_state("networkidle")
        if not await self.page.evaluate("window.examined"):  # else axe itself has left a style there
            written = await self.page.locator("[style], style, script:not([src])").count()
            assert not written, f"{name}: script or style written into the page"
            await self.page.evaluate("window.examined = true")
        for scheme in ("dark", "light"):
            await self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
            found = (await Axe().run(self.page, options={**RULES, "resultTypes": ["violations"]})).response
            assert not found["violations"], _told(name, scheme, found["violations"])
            if PICTURES and (scheme == "light" or dark_picture):
                await self.picture(name if scheme == "light" else f"{name}-dark")
        assert not self.faults, (name, self.faults)

    async def picture(self, name: str, tallest: int = _TALLEST) -> None:
        folder = Path(PICTURES or ".")
        folder.mkdir(parents=True, exist_ok=True)
        await self.page.set_viewport_size({"width": _WIDE, "height": 700})
        await self.page.evaluate("window.scrollTo(0, 0)")
        height = await self.page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": _WIDE, "height": min(height, tallest)}
        path = folder / f"{name}.png"
        await self.page.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]  # a rectangle
        shrink(path)
        await self.page.set_viewport_size({"width": 1200, "height": 800})


_MOST_STOPS = 400
_FOCUSED = """() => {
    const found = document.activeElement;
    if (!found || found === document.body) return null;
    const labels = [...(found.labels ?? [])].map((label) => label.textContent).join(" ");
    const said = (found.getAttribute("aria-label") || labels || found.textContent).replace(/\\s+/g, " ").trim();
    const picks = found.matches("input[type=time], input[type=datetime-local]");  // its button shows its own outline
    const outline = picks ? "its own" : getComputedStyle(found).outlineStyle;
    return { name: said, outline, html: found.outerHTML.slice(0, 200) };
}"""


def _told(name: str, scheme: str, violations: list[dict[str, Any]]) -> str:
    lines = [f"{name} in {scheme} cannot be used by everybody:"]
    for violation in violations:
        lines.append(f"  {violation['id']} ({violation['impact']}): {violation['help']}")
        lines += [f"    {node['html'][:200]}" for node in violation["nodes"][:4]]
        lines += [f"      {node['failureSummary'][:300]}" for node in violation["nodes"][:1]]
    return "\n".join(lines)


@asynccontextmanager
async def visiting(browser: Browser, base: str, **context: Any) -> AsyncIterator[Visitor]:
    """A browser window of its own, with cookies of its own."""
    window = await browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **context})
    visitor = Visitor(await window.new_page(), base)
    yield visitor
    await window.close()
