"""A violation from the refused recipient to mail that passes again, as all who live with it meet
it: the customer's software, the customer in a browser, staff at the desk, the mailbox of notices.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gateway.records import staff
from gateway.records.database import open_database
from gateway.web.desk.case_texts import TEXTS as CASE
from gateway.web.status.texts import STATUS
from gateway.words import Role
from tests.e2e.browser import at_work
from tests.e2e.browser.at_work import PASSWORD, Office, at_desk
from tests.e2e.browser.reader import DESKTOP, PHONE, reading
from tests.e2e.browser.reader import hold as hold_page
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings, customer, password_hash
from tests.e2e.session import Session, wait_until
from tests.e2e.sink import Sink

PROTECTED = "quiet@inbox.test"
READER = "anna@inbox.test"
WIDTHS = {"en": DESKTOP, "pl": PHONE}
STEPS = (
    "case.opened gateway",
    "block.added gateway",
    "case.blocked gateway",
    "notice.queued gateway",
    "notice.sent notices",
    "code.issued {}:status",
    "code.used {}:status",
    "requirement.handed {}:status",
    "requirement.handed {}:status",
    "case.decided abuse",
    "block.lifted abuse",
    "case.unblocked abuse",
    "notice.queued abuse",
    "notice.sent notices",
)
"""What the audit trail says, and who did it."""
STREAMS = {"mail": {"kind": "transactional"}}


def tenant(language: str) -> dict[str, object]:
    """A customer under the Niebieski terms, whose contact reads `language`."""
    contact = {"email": f"boss@{language}.test", "language": language}
    return customer(language, streams=STREAMS, sanctions="niebieski", contact=contact)


@pytest.fixture(scope="module")
def office(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """A gateway with a customer for each language, staff, and an address protected long since."""
    folder = tmp_path_factory.mktemp("office")
    tenants = {language: tenant(language) for language in WIDTHS}
    more = {
        "desk": {"totp": "offered", "zone": "Europe/Warsaw"},
        "sanctions": {"zone": "Europe/Warsaw", "holidays": "PL"},
    }
    with Sink() as sink:
        settings = Settings(sink.port, trusted=None, gateway=more, tenants=tenants)
        with Gateway(folder, settings, certificates) as gateway:
            gateway.run("suppress", "add", PROTECTED, "--reason", "protected", "--scope", "*")
            loaded = at_work.load(gateway.config)
            database = open_database(loaded.config.database, loaded.config.opt_out_log)
            with database.transaction() as connection:
                # An entry gives a strike once it has stood for a day.
                connection.exec_driver_sql("UPDATE suppressions SET created_at=created_at-90000")
                hashed = password_hash(PASSWORD)
                for role in Role:
                    staff.add(connection, role, role, "UTC", hashed, None, "test", time.time())
            keyring = at_work.open_keyring(database, loaded.config.keyring)
            yield Office(gateway, sink, loaded, database, keyring)
            database.close()


def mail_to(office: Office, contact: str, number: int) -> EmailMessage:
    """The contact's mail with that number, once it has arrived."""

    def found() -> list[bytes] | None:
        raw = [one.raw for one in office.sink.messages if one.recipients == (contact,)]
        return raw if len(raw) > number else None

    return message_from_bytes(wait_until(found)[number], policy=policy.default)


def text_of(mail: EmailMessage) -> str:
    """Its plain text."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def screenshot() -> bytes:
    """A picture of a list, with something in its metadata."""
    made = BytesIO()
    picture = Image.new("RGB", (640, 400), "white")
    exif = picture.getexif()
    exif[0x9286] = "whose machine this was"
    picture.save(made, "JPEG", exif=exif)
    return made.getvalue()


def violate(office: Office, name: str) -> tuple[str, str]:
    """Mail the protected address: case and link of the refusal that the next MAIL gets."""
    with Session(office.gateway.open, name) as session:
        session.mail(f"news@{name}.test")
        assert session.rcpt(PROTECTED)[0].short == "550 5.7.1 [PROTECTED]"
        session.command("RSET")
        said = session.mail(f"news@{name}.test")
    assert said.short == "550 5.7.1 [DOMAIN-BLOCKED]"
    found = re.search(rf"{name}\.test is blocked, case (C-\d{{6}}), 2 items open", said.text)
    assert found, said.text
    link = re.search(r"http://\S+/status/[a-z2-7]{52}", said.text)
    assert link, said.text
    return found[1], link[0]


def hand_in(page: Page, office: Office, language: str, picture: Path) -> None:
    """Get a code by mail, then do all that the page asks for."""
    words = STATUS[language]
    assert page.locator("input[type=file]").count() == 0, "acting needs the code"
    page.get_by_role("button", name=words["ask_code"]).click()
    code = re.search(r"\b\d{4} ?\d{4}\b", text_of(mail_to(office, f"boss@{language}.test", 1)))
    assert code
    page.get_by_label(words["code"], exact=True).fill(code[0])
    page.get_by_role("button", name=words["enter"]).click()
    page.get_by_role("button", name=words["confirm"]).click()
    page.locator("input[type=file]").first.set_input_files(picture)
    hold_page(page, "status-acting")
    page.get_by_role("button", name=words["upload"]).click()
    expect(page.locator(".state")).to_contain_text(words["phase_submitted"])


def accept(page: Page, language: str) -> None:
    """Follow Today to the case and accept what was handed in."""
    words = CASE[language]
    form = page.locator("form").filter(has=page.locator("[name=decision][value=accept]"))
    page.locator("details").filter(has=form).locator("summary").click()
    form.locator("textarea").fill("the list looks clean")
    form.get_by_role("button").click()
    # What it touches is shown first: mail of the last day, domains, lists.
    expect(page.get_by_text(f"{language}.test")).to_be_visible()
    at_work.hold(page, f"accept-{language}")
    page.locator("form button.danger").click()
    expect(page.get_by_text(words["met"]).first).to_be_visible()


@pytest.mark.parametrize("language", ["en", "pl"])
def test_a_violation_from_the_refusal_to_mail_that_passes(
    browser: Browser, office: Office, language: str, tmp_path: Path
) -> None:
    """A protected recipient is mailed and the domain blocked; the next MAIL names case and link;
    the customer follows it and hands everything in; staff accept it on the desk; the very next
    MAIL passes. Notices arrive, and every step is in the audit trail."""
    case, link = violate(office, language)
    contact = f"boss@{language}.test"
    notice = mail_to(office, contact, 0)
    assert case in notice["Subject"]
    assert notice["Auto-Submitted"] == "auto-generated"
    assert link in text_of(notice).split()
    assert f"{language}.test" in text_of(notice)

    picture = tmp_path / "list.jpg"
    picture.write_bytes(screenshot())
    with reading(browser, link, width=WIDTHS[language], language=language) as page:
        expect(page.get_by_role("heading", level=1)).to_contain_text(case)
        hold_page(page, "status")
        hand_in(page, office, language, picture)
        hold_page(page, "status-submitted")

    with at_desk(browser, office, Role.ABUSE, width=WIDTHS[language], language=language) as page:
        at_work.hold(page, f"today-{language}")
        page.get_by_role("link", name=case).first.click()
        image = page.locator(".files img")
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("naturalWidth", 640)
        at_work.hold(page, f"case-{language}")
        accept(page, language)
        page.goto(office.url(f"cases/{case}"))
        at_work.hold(page, f"case-accepted-{language}")

    with Session(office.gateway.open, language) as session:
        assert session.mail(f"news@{language}.test").code == 250
        assert session.rcpt(READER)[0].code == 250
    assert case in mail_to(office, contact, 2)["Subject"]
    _audited(office, language)


def _audited(office: Office, name: str) -> None:
    """Every step is on record, by whom, and the chain holds."""
    listed = json.loads(office.gateway.run("audit", "list", "--scope", name, "--json"))
    said = [f"{one['action']} {one['actor']}" for one in reversed(listed)]
    assert said == ["policy.changed configuration", *(step.format(name) for step in STEPS)]
    office.gateway.run("audit", "verify")
