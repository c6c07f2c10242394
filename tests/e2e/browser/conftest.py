"""Debian's Chromium, started once for each module (while Playwright runs no other event loop can),
and a gateway for it to read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import house as houses
from tests.e2e.certificates import Certificates

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running browser; a test that needs one fails where there is none."""
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def house(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[houses.House]:
    """A gateway of the module's own."""
    with houses.house(tmp_path_factory.mktemp("house"), certificates) as running:
        yield running
