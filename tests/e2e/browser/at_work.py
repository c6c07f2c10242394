"""Staff at their desk in a browser: a gateway with records to look up, and pages signed in.

`office` runs the gateway with one member of staff for each role; `at_desk` opens a page as one of
them. `hold` keeps every screen to what all promise: no request elsewhere, nothing on the console,
no layout wider than the window, nothing serious found by axe-core; with PICTURES it takes one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from gateway.config.load import Loaded, load
from gateway.records import staff
from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.words import Role
from suppression.keys import Keyring
from tests.e2e.browser.house import STREAMS
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import Gateway, Settings, acme, customer, password_hash
from tests.e2e.sink import Sink

AXE = Path(__file__).parents[1] / "clients/node_modules/axe-core/axe.min.js"
PICTURES = os.environ.get("PICTURES", "")
PASSWORD = "desk of staff"
DESKTOP, PHONE = 1200, 360
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True, slots=True)
class Office:
    """A running gateway, the mail it passed on, and its records, opened beside it."""

    gateway: Gateway
    sink: Sink
    loaded: Loaded
    database: Database
    keyring: Keyring

    def url(self, path: str = "") -> str:
        """The address of a page of the desk."""
        return f"http://{HOST}:{self.gateway.web}/desk/{path}"

    def audited(self, action: str) -> list[dict[str, Any]]:
        """The audit records of that action, oldest first."""
        with self.database.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT at, actor, scope, key, detail FROM audit WHERE action=? ORDER BY id",
                (action,),
            )
            return [dict(row) for row in rows.mappings()]


@contextmanager
def office(folder: Path, certificates: Certificates, **settings_of: Any) -> Iterator[Office]:
    """The gateway, with staff called as their roles are; `settings_of` it are further keys."""
    tenants = {"acme": acme(streams=STREAMS, display_name="Ogród Acme"), "beta": customer("beta")}
    with Sink() as sink:
        more = {"desk": {"totp": "offered", "zone": "Europe/Warsaw"}, **settings_of}
        settings = Settings(sink.port, trusted=None, gateway=more, tenants=tenants)
        with Gateway(folder, settings, certificates) as gateway:
            loaded = load(gateway.config)
            database = open_database(loaded.config.database, loaded.config.opt_out_log)
            keyring = open_keyring(database, loaded.config.keyring)
            hashed = password_hash(PASSWORD)
            with database.transaction() as connection:
                for role in Role:
                    staff.add(
                        connection, role, role, "Europe/Warsaw", hashed, None, "test", time.time()
                    )
            yield Office(gateway, sink, loaded, database, keyring)
            database.close()


@contextmanager
def at_desk(
    browser: Browser,
    office: Office,
    role: Role,
    path: str = "",
    *,
    width: int = DESKTOP,
    language: str = "en",
    scheme: str = "light",
) -> Iterator[Page]:
    """A page of the desk, opened by a member of staff; held to the promises at the end."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        locale={"en": "en-GB", "pl": "pl-PL"}[language],
        color_scheme="dark" if scheme == "dark" else "light",
        accept_downloads=True,
    )
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(office.url("sign-in"))
        page.locator("#name").fill(role)
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        page.wait_for_url(office.url())
        if path:
            page.goto(office.url(path))
        yield page
        hosts = {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
        assert hosts == {urlsplit(office.url()).netloc}
        assert [text for text in said if "status of 4" not in text] == []
    finally:
        context.close()


def hold(page: Page, picture: str = "") -> None:
    """The page is no wider than its window and axe-core finds nothing serious in it."""
    page.wait_for_load_state("load")
    wide = page.evaluate(
        "[...document.querySelectorAll('main *')].filter("
        "one => one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML)"
    )
    fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert fits, wide[:3]
    size = page.viewport_size
    if PICTURES and picture and size:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{picture}-{size['width']}.png", full_page=True)
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "async levels => (await axe.run({runOnly: levels})).violations.map("
        "one => [one.id, one.impact, one.nodes.map(node => node.html).slice(0, 3)])",
        LEVELS,
    )
    serious = [one for one in found if one[1] in ("serious", "critical")]
    assert not serious, serious
