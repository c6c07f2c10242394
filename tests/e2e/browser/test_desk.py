"""The desk's own screens in a browser: wide and narrow, light and dark, with and without script."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.message.address import parse_mailbox
from gateway.records import staff
from gateway.records.blocks import add_block
from gateway.records.staff import email_identity
from gateway.words import Role
from policies.ports import Block
from tests.e2e.browser.at_work import DESKTOP, PASSWORD, PHONE, Office, at_desk, hold, office
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port

PROVIDER = Path(__file__).parents[1] / "clients/provider.mjs"


@pytest.fixture(scope="module")
def desk(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A gateway with staff, for the module."""
    with office(tmp_path_factory.mktemp("office"), certificates) as running:
        yield running


def title(page: Page, text: str) -> None:
    """Wait for the page with that heading."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


@pytest.mark.parametrize(
    ("width", "language", "scheme"), [(DESKTOP, "en", "dark"), (PHONE, "pl", "light")]
)
def test_every_screen_can_be_read(
    browser: Browser, desk: Office, width: int, language: str, scheme: str
) -> None:
    """By an operator, at a desk in the dark and on a phone in Polish."""
    with desk.database.transaction() as connection:
        block = Block("C-000009", f"w{width}.acme.test", "bought list, call of 3 May")
        add_block(connection, "acme", block, "basia", time.time())
    with at_desk(
        browser, desk, Role.OPERATOR, width=width, language=language, scheme=scheme
    ) as page:
        for path in ("", "blocks", "audit", "audit/chain", "staff", "me"):
            page.goto(desk.url(path))
            expect(page.locator("html")).to_have_attribute("lang", language)
            hold(page, f"desk-{path.replace('/', '-') or 'today'}-{scheme}")
        page.goto(desk.url("nothing"))
        hold(page, f"desk-nothing-{scheme}")


def test_a_block_is_asked_for_done_and_undone(browser: Browser, desk: Office) -> None:
    """With a keyboard alone; counters follow in another window without a reload; the banner counts
    down and undoes."""
    domain = "b.acme.test"
    with (
        at_desk(browser, desk, Role.AUDITOR) as watching,
        at_desk(browser, desk, Role.ABUSE, "blocks", width=PHONE) as page,
    ):
        counter = watching.locator("[data-counter=blocks]")
        before = int(counter.inner_text())
        page.get_by_label("Domain", exact=True).fill(domain)
        page.locator("#tenant").select_option("acme")
        page.get_by_label("Domain", exact=True).press("Enter")
        title(page, f"Block {domain} for acme, from its next mail on?")
        hold(page, "desk-confirm")
        page.get_by_label("Why?").fill("bought list")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        title(page, "Blocks")
        expect(page.locator("[data-left]")).to_have_text(re.compile(r"^\d+ s$"))
        hold(page, "desk-blocked")
        expect(counter).to_have_text(str(before + 1))
        page.get_by_role("button", name="Undo").click()
        title(page, "Today")
        expect(counter).to_have_text(str(before))
        page.goto(desk.url("blocks"))
        expect(page.get_by_text(domain)).to_have_count(0)


def test_everything_works_without_script(browser: Browser, desk: Office) -> None:
    """Sign-in, block, undo, sign-out."""
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        page.goto(desk.url("blocks?lifted=yes"))
        page.locator("#name").fill("abuse")
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        title(page, "Blocks")
        page.get_by_label("Domain", exact=True).fill("acme.test")
        page.get_by_role("button", name="Block …").click()
        page.get_by_label("Why?").fill("x")
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_role("status")).to_contain_text("can be undone until")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("status")).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        title(page, "Sign in")
    finally:
        context.close()


def test_the_first_sign_in_sets_up_a_code(browser: Browser, desk: Office) -> None:
    """From `consentry staff add` to the first page and the next sign-in with a code; each page can
    be read by everybody."""
    (made,) = json.loads(desk.gateway.run("staff", "add", "nina", "--role", "lead", "--json"))
    context = browser.new_context(locale="en-GB", viewport={"width": PHONE, "height": 740})
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()

        def enter(password: str) -> None:
            page.goto(desk.url("sign-in"))
            page.locator("#name").fill("nina")
            page.locator("#password").fill(password)
            page.locator("main button").click()

        page.goto(desk.url())
        hold(page, "desk-sign-in")
        enter("wrong")
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        hold(page, "desk-sign-in-wrong")
        enter(made["password"])
        title(page, "Today")
        page.goto(desk.url("me"))
        page.get_by_role("button", name="Set up your second factor").click()
        title(page, "Set up your second factor")
        hold(page, "desk-enrol")
        secret = page.locator("main code").inner_text().replace(" ", "")
        totp = pyotp.TOTP(secret)
        page.get_by_label("Six-digit code").fill(totp.now())
        page.keyboard.press("Enter")
        title(page, "Today")
        page.get_by_role("button", name="Sign out").click()
        enter(made["password"])
        title(page, "Second factor")
        hold(page, "desk-code")
        page.get_by_label("Six-digit code").fill(totp.at(int(time.time()) + 30))
        page.keyboard.press("Enter")
        title(page, "Today")
    finally:
        context.close()


def test_keys_help(browser: Browser, desk: Office) -> None:
    """`?` shows the keys, `/` leads to the look-up, `j` and `k` go through rows; none of them while
    somebody types."""
    with desk.database.transaction() as connection:
        for name in ("k1", "k2"):
            block = Block("C-000009", f"{name}.acme.test", "x")
            add_block(connection, "acme", block, "basia", time.time())
    with at_desk(browser, desk, Role.ABUSE, "blocks") as page:
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        hold(page, "desk-keys")
        page.keyboard.press("Escape")
        links = page.locator("tbody tr a")
        page.keyboard.press("j")
        expect(links.nth(0)).to_be_focused()
        page.keyboard.press("j")
        expect(links.nth(1)).to_be_focused()
        page.keyboard.press("k")
        expect(links.nth(0)).to_be_focused()
        field = page.get_by_label("Domain", exact=True)
        field.press_sequentially("a/j?")
        expect(field).to_have_value("a/j?")
        field.blur()
        page.keyboard.press("/")
        page.wait_for_url(desk.url("look-up"))


@pytest.fixture(scope="module")
def provider(desk: Office) -> Iterator[str]:
    """A real OpenID provider on loopback, which the desk is told of; its issuer."""
    port = free_port()
    people = {
        "basia": {"email": "basia@staff.test", "email_verified": True},
        "mallory": {"email": "lisa@staff.test", "email_verified": False},
    }
    redirect = f"http://{HOST}:{desk.gateway.web}/desk/oidc/callback"
    command = ["node", PROVIDER, str(port), redirect, "consentry", "s3cret+/%", json.dumps(people)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        issuer = f"http://{LOOPBACK}:{port}"
        file = desk.gateway.folder / "keys/oidc"
        file.touch(mode=0o600)
        file.write_text("s3cret+/%\n")
        config = json.loads(desk.gateway.config.read_text())
        config["desk"]["oidc"] = {
            "issuer": issuer,
            "client_id": "consentry",
            "client_secret_file": str(file),
            "name": "Staff <ID>",
        }
        desk.gateway.config.write_text(json.dumps(config))
        desk.gateway.run("reload")
        with desk.database.transaction() as connection:
            for name in ("basia", "lisa"):
                identity = email_identity(desk.keyring, parse_mailbox(f"{name}@staff.test"))
                staff.add(connection, name, Role.LEAD, "UTC", None, identity, "test", time.time())
        yield issuer
    finally:
        running.terminate()
        running.wait()


@pytest.mark.parametrize(("who", "is_ours"), [("basia", True), ("mallory", False)])
def test_a_provider_says_who_it_is(
    browser: Browser, desk: Office, provider: str, who: str, is_ours: bool
) -> None:
    """Who was added by a verified address comes in, and from then on by who they are there; an
    address that is not verified is nobody's. The page asked for before is what comes next."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        page.goto(desk.url("audit?actor=basia"))
        page.get_by_role("link", name="Sign in with Staff <ID>").click()
        page.locator("input[name=login]").fill(who)
        page.locator("input[name=password]").fill("any")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        if is_ours:
            title(page, "Audit")
            assert page.url == desk.url("audit?actor=basia")
            expect(page.get_by_text('"by": "openid"').first).to_be_visible()
            hold(page)
        else:
            expect(page.get_by_role("alert")).to_contain_text("nobody here has given you a role")
    finally:
        context.close()
