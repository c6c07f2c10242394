"""The status page as a customer's people use it: every state of it, with a keyboard, on a phone, in
both languages, without JavaScript. `test_sanctions` goes the whole way through a gateway; here the
same pages are served over records that tests put into any state."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.records.case_change import change
from gateway.web.http import HttpServer
from gateway.web.status import code_mail
from gateway.web.status.texts import STATUS
from policies.sanctions.case import Decided, Handed
from policies.sanctions.words import Decision, FactKind
from tests.contract.status.world import World, made_in
from tests.e2e.browser.reader import AXE, DESKTOP, LEVELS, PHONE, hold, reading, tab
from tests.e2e.ports import LOOPBACK

BOTH = pytest.mark.parametrize(("language", "width"), [("en", DESKTOP), ("pl", PHONE)])
MARKUP = '<img src=x onerror="alert(1)"><b>bold</b>'


class Served:
    """The world's application on a port of its own."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self._port = port

    def url(self, path: str) -> str:
        """The address of a page."""
        return f"http://{LOOPBACK}:{self._port}{path}"


@contextmanager
def serving(world: World) -> Iterator[Served]:
    """A thread with the server that the gateway uses."""
    listening = socket.create_server((LOOPBACK, 0))
    server = HttpServer(world.app())
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield Served(world, listening.getsockname()[1])
    finally:
        server.end()
        thread.join(60)
        listening.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the module."""
    with (
        made_in(tmp_path_factory.mktemp("status")) as world,
        serving(world) as served,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(code_mail, "hand_over", world.hops.take)
        yield served


@pytest.fixture
def served(made: Served) -> Served:
    """The same two hours later, so that codes may be mailed again."""
    made.world.now += 7200
    return made


def sign_in(page: Page, world: World, language: str) -> None:
    """Have a code mailed and type it in."""
    words = STATUS[language]
    page.get_by_role("button", name=words["ask_code"]).click()
    expect(page.get_by_role("status")).to_have_text(words["say_code_sent"])
    page.get_by_label(words["code"], exact=True).fill(world.hops.code)
    page.get_by_role("button", name=words["enter"]).click()
    expect(page.get_by_role("status")).to_have_text(words["say_code_right"])


@BOTH
def test_everything_that_a_tenant_does(
    browser: Browser, served: Served, language: str, width: int, tmp_path: Path
) -> None:
    """A wrong code, the right one, a file that is no picture, a confirmation, words, deletions, an
    appeal and a list: each answer says what became of it, and words of people stay words."""
    world, words = served.world, STATUS[language]
    case = world.open()
    world.complain("acme", f"deleted-{language}@example.org")
    link = served.url(world.link_of(case))
    with reading(browser, link, width=width, language=language, refusals=(403, 422)) as page:
        hold(page, "status-case")
        page.get_by_label(words["code"], exact=True).fill("0000 0000")
        page.get_by_role("button", name=words["enter"]).click()
        expect(page.get_by_role("alert")).to_have_text(words["say_code_over"])
        hold(page, "status-wrong-code")
        sign_in(page, world, language)
        hold(page, "status-acting-case")
        broken = tmp_path / "list.png"
        broken.write_bytes(b"%PDF-1.7")
        page.get_by_label(words["file"], exact=True).set_input_files(broken)
        page.get_by_role("button", name=words["upload"]).click()
        expect(page.get_by_role("alert")).to_have_text(words["say_upload_type"])
        hold(page, "status-no-picture")
        page.get_by_role("button", name=words["confirm"]).first.click()
        expect(page.get_by_role("status")).to_have_text(words["say_handed"])
        page.get_by_label(words["text"]).first.fill(f"We are sorry. {MARKUP}")
        page.get_by_role("button", name=words["send_text"], exact=True).click()
        expect(page.get_by_role("status")).to_have_text(words["say_handed"])
        page.get_by_label(f"deleted-{language}@example.org").check()
        page.get_by_role("button", name=words["delete_button"]).click()
        expect(page.get_by_role("status")).to_be_visible()
        page.get_by_label(words["text"]).last.fill(MARKUP)
        page.get_by_role("button", name=words["appeal_button"]).click()
        expect(page.get_by_role("status")).to_have_text(words["say_appealed"])
        page.get_by_label(words["list"], exact=True).fill(f"jan@example.org\n{MARKUP}\n")
        page.get_by_role("button", name=words["check_button"]).click()
        expect(page.get_by_role("status")).to_have_text(words["say_checked"])
        expect(page.get_by_text("RCPT-SYNTAX").first).to_be_visible()
        assert page.locator("img, b").count() == 0
        hold(page, "status-checked")


def test_what_staff_decided_is_read(browser: Browser, served: Served) -> None:
    """A rejection with its reason, a fee charged; the tenant's own page lists its cases, and the
    page without a link says where one is. On a phone, in Polish."""
    language, width = "pl", PHONE
    world, words = served.world, STATUS[language]
    case, now = world.open(), world.now
    rules = world.house.rules
    names = [one.name for one in case.case.requirements if one.name != "invoice-paid"]
    with world.database.transaction() as connection:
        for name in names:
            change(connection, case.number, Handed(name, "acme:status"), "acme:status", now, rules)
        for decision in (
            Decided(Decision.ISSUE_FEE, "lead", "as agreed", fee=1),
            Decided(Decision.MET, "abuse", "paid", "invoice-paid"),
            Decided(Decision.REJECT, "abuse", f"Too small to read {MARKUP}", "screenshot"),
        ):
            change(connection, case.number, decision, decision.actor, now, rules)
    with reading(browser, served.url(world.link_of(case)), width=width, language=language) as page:
        expect(page.get_by_text("Too small to read <img")).to_be_visible()
        expect(page.get_by_text(words["fee_issued"])).to_be_visible()
        assert page.locator("img, b").count() == 0
        hold(page, "status-rejected")
    with reading(browser, served.url(world.link()), width=width, language=language) as page:
        hold(page, "status-tenant")
        page.get_by_role("link", name=case.id).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(case.id)
    with reading(browser, served.url("/status/"), width=width, language=language) as page:
        hold(page, "status-about")


def test_a_keyboard_is_enough(browser: Browser, served: Served) -> None:
    """Tab reaches the forms in their order, each by its name; Enter sends."""
    world = served.world
    case = world.open(kind=FactKind.EMERGENCY)
    with reading(browser, served.url(world.link_of(case)), width=PHONE) as page:
        tab(page, "Polski", "Mail me a code")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text(STATUS["en"]["say_code_sent"])
        tab(page, "Polski", "Mail me a code", "Code")
        page.keyboard.type(world.hops.code)
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text(STATUS["en"]["say_code_right"])
        tab(page, "Polski", "Picture", "Send the picture", "In your words", "Appeal")


def test_nothing_seriously_hinders_anybody(browser: Browser, served: Served) -> None:
    """axe-core finds nothing serious, light or dark: shown, acting and refused, of a tenant,
    without a link."""
    world, words = served.world, STATUS["pl"]
    case = world.open()
    world.complain("acme", "axe@example.org")
    context = browser.new_context(locale="pl-PL")
    try:
        page = context.new_page()
        page.goto(served.url(world.link_of(case)))
        assert _judged(page) == []
        sign_in(page, world, "pl")
        page.get_by_role("button", name=words["delete_button"]).click()
        expect(page.get_by_role("alert")).to_have_text(words["say_none_chosen"])
        assert _judged(page) == []
        for path in (world.link(), "/status/"):
            page.goto(served.url(path))
            assert _judged(page) == []
    finally:
        context.close()


def _judged(page: Page) -> list[object]:
    """What axe-core finds on the page as it stands that is serious or worse, light or dark."""
    page.evaluate(AXE.read_text())
    serious = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        found = page.evaluate("levels => axe.run({runOnly: levels})", LEVELS)
        assert len(found["passes"]) > 10
        serious += [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return serious
