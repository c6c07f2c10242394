"""What strangers may write, and whether a page made elements of it.

`PAYLOADS` are the lines of `payloads.txt` (`\\uXXXX` for what cannot be seen); `HARMLESS` are as
many plain words. `difference` has Chromium parse a page with each of them: both must have the same
elements with the same attributes. `outside` runs a coroutine while Playwright's loop runs.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Page, sync_playwright

T = TypeVar("T")
CHROMIUM = "/usr/bin/chromium"
PAYLOADS = [
    re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), line)
    for line in (Path(__file__).parent / "payloads.txt").read_text().splitlines()
]
HARMLESS = ["harmless words"] * len(PAYLOADS)
SHAPE = """html => {
  const page = new DOMParser().parseFromString(html, 'text/html');
  return [...page.querySelectorAll('*')].map(one => [one.namespaceURI, one.localName,
    one.parentElement?.localName, ...one.getAttributeNames()].join(' '));
}"""


@contextmanager
def tab() -> Iterator[Page]:
    """A tab of Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page()
        browser.close()


def difference(page: Page, harmless: str, marked: str) -> tuple[str | None, str | None] | None:
    """The first element that only one of two pages has at that place; None when there is none."""
    pairs = itertools.zip_longest(page.evaluate(SHAPE, harmless), page.evaluate(SHAPE, marked))
    return next((one for one in pairs if one[0] != one[1]), None)


def outside(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, run on a loop in a thread of its own."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return found[0]
