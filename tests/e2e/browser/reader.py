"""A person with a browser: Debian's Chromium without JavaScript, at a width, in a language.

`reading` opens a page and, when it is done with, has held it to what all our pages promise: no
request to another host, nothing on the console (a violated policy would be there), no cookie, no
layout wider than the window. `judged` has axe-core look for what hinders people; only there does
JavaScript run, and only there is the policy against scripts set aside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

AXE = Path(__file__).parents[1] / "clients/node_modules/axe-core/axe.min.js"
DESKTOP, PHONE = 1200, 360
VISITOR = "192.0.2.77"
"""Where the person is, as the TLS proxy before the gateway says."""
PICTURES = os.environ.get("PICTURES", "")
"""A folder for pictures of every page and state, when somebody wants to look at them."""
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""The rules that axe-core judges by."""
TAPPED = "a, button, select, input:not([type=hidden])"
MIN_TAP = 44


@contextmanager
def reading(
    browser: Browser,
    link: str,
    *,
    width: int = DESKTOP,
    language: str = "en",
    status: int = 200,
    refusals: tuple[int, ...] = (),
) -> Iterator[Page]:
    """The page at `link`, opened by somebody who reads `language`; without JavaScript. It answers
    with `status`; forms may be answered with `refusals`."""
    with _context(browser, width, language) as context:
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        answer = page.goto(link)
        assert answer is not None
        assert answer.status == status
        yield page
        hold(page)
        assert {urlsplit(url).netloc for url in asked} == {urlsplit(link).netloc}
        # The console tells of a page that is not 200, once each time it is loaded.
        expected = [f"with a status of {one} " for one in (status, *refusals)]
        assert [text for text in said if not any(one in text for one in expected)] == []
        assert context.cookies() == []


def press(page: Page, name: str, heading: str) -> None:
    """Press a button and wait for the page that follows, by its heading."""
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def hold(page: Page, picture: str = "") -> None:
    """Hold the page as it stands now to its promises, and take its picture if one is wanted."""
    page.wait_for_load_state("load")
    width = page.evaluate("document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for one in page.locator(TAPPED).all():
        area = _tapped(page, one)
        assert area >= MIN_TAP, f"{one} is {area} px high"
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    language = page.locator("html").get_attribute("lang")
    if picture and PICTURES:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            name = f"{picture}-{language}-{width}-{scheme}.png"
            page.screenshot(path=Path(PICTURES) / name, full_page=True)
        page.emulate_media(color_scheme="light")


def judged(browser: Browser, link: str) -> list[str]:
    """What axe-core finds at `link` that is serious or worse, light or dark, with where it is."""
    context = browser.new_context(java_script_enabled=True, bypass_csp=True)
    serious = []
    try:
        page = context.new_page()
        page.goto(link)
        page.add_script_tag(path=AXE)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("levels => axe.run({runOnly: levels})", LEVELS)
            assert len(found["passes"]) > 10
            serious += [
                f"{scheme}: {one['id']}: {node['html']}"
                for one in found["violations"]
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
    finally:
        context.close()
    return serious


def tab(page: Page, *names: str) -> None:
    """Press Tab once for each name: what has the focus then, visibly, is called that."""
    for name in names:
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        expect(focused).to_have_accessible_name(name)
        assert focused.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"


def _tapped(page: Page, one: Locator) -> float:
    """How high the area is that a finger may hit: a box ticks with its label too."""
    box = one.bounding_box()
    assert box is not None
    label = page.locator(f"label[for={one.get_attribute('id') or 'none'}]")
    if one.get_attribute("type") == "checkbox":
        beside = label.bounding_box()
        assert beside is not None
        return max(box["height"], beside["height"])
    return box["height"]


@contextmanager
def _context(browser: Browser, width: int, language: str) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": width, "height": 740},
        locale={"en": "en-GB", "pl": "pl-PL"}[language],
        java_script_enabled=False,
        is_mobile=width == PHONE,
        has_touch=width == PHONE,
        extra_http_headers={"X-Forwarded-For": f"{VISITOR}:4711"},
    )
    context.set_default_timeout(60_000)
    try:
        yield context
    finally:
        context.close()
