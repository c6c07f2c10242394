"""*Cases*, *Case*, *Tenants* and *Tenant* in a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gateway.records import evidence, figures
from gateway.records.case_change import change, note
from gateway.records.cases import take_fact
from gateway.records.evidence import Content
from gateway.records.figures import Figure
from gateway.records.subjects import add_subject
from gateway.sanctions.rules import rules_of
from gateway.words import Role
from policies.sanctions.case import Counts, Fact, Handed, Noticed
from policies.sanctions.words import FactKind, Grade, NoticeKind
from tests.e2e.browser.at_work import DESKTOP, PHONE, Office, at_desk, hold, office
from tests.e2e.certificates import Certificates
from tests.e2e.name_server import NameServer, txt
from tests.e2e.ports import LOOPBACK

MARKUP = '<img src=x onerror="alert(1)"><b>bold</b>'


@dataclass(frozen=True, slots=True)
class Desk:
    """The office, and a case in which everything has been handed in."""

    office: Office
    case: str


@pytest.fixture(scope="module")
def desk(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A gateway with staff under the Niebieski terms, and a name server for its domains."""
    folder = tmp_path_factory.mktemp("office")
    with NameServer({("acme.test", "TXT"): [txt("v=spf1 +all")]}) as names:
        asks = {"resolvers": [f"{LOOPBACK}:{names.port}"], "patience": 10}
        with office(
            folder, certificates, sender_dns=asks, sanctions={"preset": "niebieski"}
        ) as running:
            names.zone |= {(name, "TXT"): [txt(one)] for name, one in running.gateway.keys.items()}
            yield Desk(running, _seed(running))


def _seed(office: Office) -> str:
    """A case of acme's at P1 with a complaint, everything handed in, a reply and a notice out."""
    rules, now = rules_of(office.loaded, office.keyring), time.time()
    pixels = BytesIO()
    Image.new("RGB", (640, 360), "#88aacc").save(pixels, "PNG")
    with office.database.transaction() as connection:
        for number in range(4):
            subject = add_subject(connection, office.keyring.seal(f"jan{number}@inbox.test"))
            is_report = number == 3
            fact = Fact(
                FactKind.COMPLAINT if is_report else FactKind.PROTECTED_HIT,
                "acme", "weekly", "m-1", "acme.test", bytes([number]) * 16,
                f"ref{number}", now - 600 + number, Grade.A if is_report else None,
                domains=("acme.test",),
            )  # fmt: skip
            taken = take_fact(
                connection, fact, Counts(number + 1, 100), rules, now, subject=subject
            )
        assert taken.case is not None
        case = taken.case.id
        change(connection, case, Noticed(NoticeKind.OPENED), "notices", now, rules)
        reply = add_subject(connection, office.keyring.seal(f"We are sorry. {MARKUP}"))
        note(connection, case, "reply.received", "tenant", now, subject=reply)
        content = Content("image/png", pixels.getvalue(), bytes(32), f"list {MARKUP}.png", "clean")
        evidence.add(connection, office.keyring, case, "screenshot", content, "tenant", now)
        for name in ("protection-confirmed", "screenshot"):
            change(connection, case, Handed(name, "tenant"), "tenant", now, rules)
        for mailing, complaints in (("260302-0f3c9d21", 1), ("260228-a1b2c3d4", 9)):
            rated = (connection, now, "acme", "weekly", mailing, "a-long-name.shop.acme.test")
            figures.add(*rated, Figure.OFFERED, 2_000)
            figures.add(*rated, Figure.DELIVERED, 1_990)
            figures.add(*rated, Figure.COMPLAINT, complaints)
    return f"C-{case:06d}"


def test_a_case_is_decided_by_keyboard(browser: Browser, desk: Desk) -> None:
    """A key opens the form, what it asks first has the focus; the act says what it touches, is
    done, offered for undoing on the next page, and undone."""
    with at_desk(browser, desk.office, Role.ABUSE, f"cases/{desk.case}") as page:
        expect(page.get_by_role("heading", level=1)).to_contain_text("handed in")
        expect(page.locator("main")).to_contain_text(f"We are sorry. {MARKUP}")
        expect(page.locator("main b")).to_have_count(0)
        picture = page.locator(".files img")
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") == 640
        hold(page, "case")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_contain_text("Accept what was handed in")
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        expect(page.locator("#accept-reason")).to_be_focused()
        page.keyboard.type("looks right")
        page.get_by_role("button", name="See what it touches").locator("visible=true").click()
        expect(page.locator("main")).to_contain_text("acme.test")
        hold(page, "case-sure")
        page.locator("main button").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("closed")
        expect(page.locator("main")).to_contain_text("Nothing is in force.")
        page.locator(".undoings button").first.click()
        page.goto(desk.office.url(f"cases/{desk.case}"))
        expect(page.get_by_role("heading", level=1)).to_contain_text("handed in")
        expect(page.locator("main")).to_contain_text("blocked since")


def test_a_phone_in_polish(browser: Browser, desk: Desk) -> None:
    """Every screen fits 360 pixels, in the dark too; an auditor finds no form."""
    look = {"width": PHONE, "language": "pl", "scheme": "dark"}
    with at_desk(browser, desk.office, Role.AUDITOR, f"cases/{desk.case}", **look) as page:
        expect(page.locator("main form")).to_have_count(0)
        hold(page, "case-pl")
        page.goto(desk.office.url("tenants/acme"))
        _dns(page)
        page.get_by_text("Według identyfikatorów z Feedback-ID").click()
        hold(page, "tenant-pl")
        for path in ("cases", "tenants"):
            page.goto(desk.office.url(path))
            hold(page, f"{path}-pl")


def test_a_tenant_and_a_case_opened_for_it(browser: Browser, desk: Desk) -> None:
    """The DNS comes by itself when the page is there; from the page a case is opened by hand."""
    with at_desk(browser, desk.office, Role.LEAD, "tenants", width=DESKTOP) as page:
        hold(page, "tenants")
        page.get_by_role("link", name="acme").click()
        _dns(page)
        expect(page.locator("#dns")).to_contain_text("The published key is the one that signs.")
        expect(page.locator("#dns")).to_contain_text("anybody send for this domain (+all)")
        expect(page.locator("svg.chart")).to_have_count(12)
        expect(page.locator("#complaint-mailing-d")).to_have_text("10 of 3980")
        page.get_by_text("By the identifiers in Feedback-ID").click()
        hold(page, "tenant")
        page.get_by_role("link", name="Open a case").click()
        hold(page, "new-case")
        page.get_by_label("What happened").select_option("instruction")
        page.get_by_label("Reason").fill("Move the forms to https")
        page.get_by_role("button", name="Open a case").click()
        page.locator("main button").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Case C-")
        expect(page.locator("main")).to_contain_text("Move the forms to https")
        page.goto(desk.office.url("cases?tenant=acme&phase=open"))
        expect(page.locator("tbody tr")).to_have_count(1)
        hold(page, "cases")


def _dns(page: Page) -> None:
    """Wait until script has asked for the DNS and put the answer into the page."""
    expect(page.locator("#dns section")).to_have_count(1)
