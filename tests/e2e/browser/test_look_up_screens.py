"""Look-up, lists, consent and subject requests in a browser, as staff of each role use them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.message.address import parse_mailbox
from gateway.privacy.labels import VALUES
from gateway.records import proofs
from gateway.records.suppressions import Draft, add
from gateway.sanctions.rules import rules_of
from gateway.words import Role
from suppression.consent import Evidence, Level
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.desk.came_back import arf, storm
from tests.e2e.browser.at_work import PHONE, Office, at_desk, hold, office
from tests.e2e.browser.house import NO_OPTIN, OK, SENDER
from tests.e2e.certificates import Certificates
from tests.e2e.session import Session, letter, wait_until

JAN = "jan@inbox.test"
REASONS = VALUES["en"]["reason"]
MESSAGE_ID = "20261121.abc@shop.acme.test"


@pytest.fixture(scope="module")
def desk(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A gateway that has relayed a message to Jan, refused another, and holds proof of a consent
    of his; a complaint of his is on record."""
    with office(tmp_path_factory.mktemp("office"), certificates) as running:
        supplied = Evidence(
            Level.SINGLE, "I agree to the weekly.", time.time() - 86_400, "203.0.113.8"
        )
        with running.database.transaction() as connection:
            proofs.supply(
                connection,
                running.keyring,
                "acme",
                "weekly",
                parse_mailbox(JAN),
                supplied,
                "en",
                "test",
                time.time(),
            )
        mail = letter(SENDER).replace(b"\r\n", b"\r\nMessage-ID: <%b>\r\n" % MESSAGE_ID.encode(), 1)
        with Session(running.gateway.open, "acme/weekly") as session:
            assert session.send(SENDER, [JAN], mail).code == 250
        suppress(running, JAN, Reason.COMPLAINT, "acme")
        with Session(running.gateway.open, "acme/weekly") as session:
            session.mail(SENDER)
            assert session.rcpt(JAN)[0].code == 550
        yield running


def suppress(desk: Office, address: str, reason: Reason, scope: str) -> None:
    """As `consentry suppress add` does beside the running gateway."""
    draft = Draft(reason, scope, Lifter.OPERATOR, "test")
    with desk.database.transaction() as connection:
        add(connection, desk.keyring, parse_mailbox(address), draft, time.time())


def reasons_of(desk: Office, screen: str) -> list[tuple[str, str]]:
    """Who was shown an address on a screen, and why."""
    records = [
        (one["actor"], json.loads(one["detail"])) for one in desk.audited("address.revealed")
    ]
    return [(actor, detail["why"]) for actor, detail in records if detail["screen"] == screen]


def asked(desk: Office, stream: str, reader: str) -> str:
    """What the next RCPT of a stream of acme's comes to."""
    with Session(desk.gateway.open, f"acme/{stream}") as session:
        session.mail(SENDER)
        return session.rcpt(reader)[0].short


def look_up(page: Page, what: str) -> None:
    """Paste `what` and wait for the answer."""
    page.get_by_label("What are you looking for?").fill(what)
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#read-as")).to_be_visible()


def test_all_that_is_known_of_an_address_is_masked_until_revealed(
    browser: Browser, desk: Office
) -> None:
    """Suppressions, proofs and events are shown; the address is in no text, address or log before
    a reason was given, and that it was revealed is on record."""
    with at_desk(browser, desk, Role.ABUSE, "look-up") as page:
        hold(page, "look-up-empty")
        look_up(page, JAN)
        shown = page.locator("main")
        expect(shown).to_contain_text("j***@inbox.test")
        expect(shown).to_contain_text("complaint about mail")
        kinds = page.locator("ol.events b").all_inner_texts()
        assert [kinds[0], kinds[-1]] == ["rcpt.refused", "message.relayed"]
        expect(page.locator("#held-proofs")).to_be_visible()
        assert JAN not in shown.inner_text()
        assert JAN not in unquote(page.url)
        hold(page, "look-up-address")
        page.get_by_text("Reveal the address").first.click()
        page.get_by_label("Why do you need it in plain?").fill("he called")
        page.get_by_role("button", name="Reveal the address").click()
        expect(shown).to_contain_text(JAN)
        hold(page, "look-up-revealed")
        page.get_by_text("Take a report").click()
        page.get_by_label("What do they say?").fill("I never asked for this")
        page.get_by_role("button", name="Take it").click()
        expect(shown).to_contain_text("The report was taken.")
        expect(page.locator("#held-reports + table")).to_contain_text("waiting")
        assert JAN not in shown.inner_text()
    assert reasons_of(desk, "look-up") == [("abuse", "he called")]
    assert JAN not in desk.gateway.log
    assert not [one for one in desk.gateway.events() if JAN in json.dumps(one)]


def test_refs_message_ids_and_tokens_lead_to_the_person(browser: Browser, desk: Office) -> None:
    """The refusal by its whole reply, the message by its Message-ID or the token in its link: each
    shows its events and whom they are about."""
    refusal = wait_until(
        lambda: next((e for e in desk.gateway.events() if e["kind"] == "rcpt.refused"), None)
    )
    assert refusal
    link = re.search(rb"^List-Unsubscribe: <(http[^>]+)>", desk.sink.messages[0].raw, re.MULTILINE)
    assert link
    with at_desk(browser, desk, Role.AUDITOR, "look-up", width=PHONE) as page:
        look_up(page, f"550 5.7.1 [COMPLAINT] refused; ref={refusal['ref']}")
        expect(page.locator("main")).to_contain_text("Read as: ref")
        assert "rcpt.refused" in page.locator("ol.events b").all_inner_texts()
        expect(page.locator("main")).to_contain_text("j***@inbox.test")
        hold(page, "look-up-ref")
        look_up(page, f"Message-ID: <{MESSAGE_ID}>")
        expect(page.locator("ol.events b")).to_have_text(["message.relayed"])
        expect(page.locator("main")).to_contain_text("j***@inbox.test")
        look_up(page, link[1].decode())
        expect(page.locator("main")).to_contain_text("to unsubscribe")
        expect(page.locator("main")).to_contain_text("j***@inbox.test")
        # An auditor reads: no form but the search and the way out.
        assert page.locator("main form").count() == 1
        page.get_by_label("What are you looking for?").fill("nothing of the kind")
        page.get_by_role("button", name="Look up").click()
        expect(page.get_by_role("alert")).to_contain_text("no address, token")
        hold(page, "look-up-nothing")


def test_what_is_suppressed_and_lifted_counts_for_the_next_rcpt(
    browser: Browser, desk: Office
) -> None:
    """Both are undone within their minute; only leads and operators lift what is protected."""
    ala = "ala@inbox.test"
    with at_desk(browser, desk, Role.LEAD, "look-up") as page:
        look_up(page, ala)
        page.get_by_text("Suppress this address").click()
        page.get_by_label("Kind").first.select_option("protected")
        page.get_by_label("For", exact=True).fill("*")
        page.get_by_label("Reason", exact=True).fill("she asked for it")
        page.get_by_role("button", name="Suppress").click()
        expect(page.locator("main dl.facts")).to_contain_text("acme.test")
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_role("status").first).to_be_visible()
        expect(page.locator("#suppressions + table")).to_contain_text("protected address")
        assert asked(desk, "monthly", ala) != OK
        page.get_by_role("button", name="Undo").click()
        page.wait_for_url(desk.url())
        assert asked(desk, "monthly", ala) == OK
    suppress(desk, ala, Reason.PROTECTED, "*")
    with at_desk(browser, desk, Role.ABUSE, "look-up") as page:
        look_up(page, ala)
        expect(page.locator("#suppressions + table")).to_contain_text("protected address")
        assert page.get_by_text(re.compile("Lift entry")).count() == 0


def test_what_came_back_is_read_and_decided(browser: Browser, desk: Office, tmp_path: Path) -> None:
    """A report says what speaks for it and shows its header for a reason only; a storm is released
    and that undone; a person's bounces stand in the look-up."""
    maja, known, unknown = "maja@inbox.test", "user0@mailbox.test", "mailbox.test"
    with Session(desk.gateway.open, "acme/weekly") as session:
        assert session.send(SENDER, [maja], letter(SENDER)).code == 250
    copy = next(one.raw for one in desk.sink.messages if one.recipients == (maja,))
    header = copy.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    (tmp_path / "report.eml").write_bytes(arf(header, agent="Loop <b>", Arrival_Date="today"))
    desk.gateway.run("feedback", "ingest", str(tmp_path / "report.eml"))
    with desk.database.transaction() as connection:
        storm(connection, rules_of(desk.loaded, desk.keyring), time.time(), unknown)
    with at_desk(browser, desk, Role.ABUSE) as page:
        hold(page, "returned-today")
        page.get_by_role("navigation").get_by_role("link", name="Reports").click()
        hold(page, "returned-reports")
        page.get_by_role("link", name=re.compile("Report [0-9]+")).last.click()
        expect(page.locator("main")).to_contain_text("ours consentry-trace of our mail")
        assert page.locator("pre").count() == 0
        page.locator("summary", has_text="Fields of the report").click()
        hold(page, "returned-report")
        read = page.url
        page.locator("summary", has_text="Reveal").click()
        page.get_by_label("Why do you need to see it?").fill("they called")
        page.get_by_role("button", name="Reveal").click()
        expect(page.locator("pre").last).to_contain_text("Consentry-Trace: ")
        hold(page, "returned-report-raw")
        page.goto(desk.url("storms"))
        page.get_by_role("button", name="Release").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Forget the 26 bounces")
        hold(page, "returned-storm-asked")
        page.get_by_label("Why?").fill("their directory was down")
        page.get_by_role("button", name="Do it").click()
        expect(page.locator("main table")).to_contain_text("their directory was down")
        hold(page, "returned-storm-released")
        page.get_by_role("button", name="Undo").click()
        page.wait_for_url(desk.url())
        page.goto(desk.url("look-up"))
        look_up(page, known)
        expect(page.locator("#bounces + table")).to_contain_text("held")
        hold(page, "returned-look-up")
    assert reasons_of(desk, "reports") == [("abuse", "they called")]
    with at_desk(browser, desk, Role.AUDITOR, width=PHONE, language="pl", scheme="dark") as page:
        for path in ("", "reports", read.removeprefix(desk.url()), "storms"):
            page.goto(desk.url(path))
            hold(page, f"returned-{path.replace('/', '-') or 'today'}-dark")
        assert page.get_by_role("button", name="Odrzuć").count() == 0
        page.goto(desk.url("look-up"))
        page.locator("#what").fill(known)
        page.locator("main button").click()
        expect(page.locator("#bounces")).to_be_visible()
        hold(page, "returned-look-up-dark")


def test_a_list_is_compared_before_it_is_brought_in(
    browser: Browser, desk: Office, tmp_path: Path
) -> None:
    """Nothing is in force after the comparison, all of it after the confirmation, and none of it
    after the undoing."""
    file = tmp_path / "left.csv"
    file.write_text("address\nola@inbox.test\njan@inbox.test\nno address\n")
    with at_desk(browser, desk, Role.ABUSE, "lists/import") as page:
        hold(page, "lists-import")
        page.get_by_label("File").set_input_files(file)
        page.get_by_label("For", exact=True).fill("acme")
        page.get_by_role("button", name="Compare").click()
        expect(page.locator("main dl.facts").first).to_contain_text("New2")
        hold(page, "lists-diff")
        assert asked(desk, "monthly", "ola@inbox.test") == OK
        page.get_by_role("button", name="Bring it in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Imported")
        assert asked(desk, "monthly", "ola@inbox.test") != OK
        page.goto(desk.url("lists?reason=manual&state=lifted&scope=acme/orders"))
        expect(page.locator("main .empty")).to_be_visible()
        page.goto(desk.url("lists?reason=manual"))
        rows = page.locator("tbody tr:not(.act)")
        assert {"manual"} == {one for one in REASONS if rows.filter(has_text=REASONS[one]).count()}
        expect(page.locator("tbody")).to_contain_text("o***@inbox.test")
        hold(page, "lists")
        page.get_by_role("button", name="Lift").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Lift entry")
        hold(page, "lists-lift")
        page.get_by_role("button", name="Undo").click()
        page.wait_for_url(desk.url())
        assert asked(desk, "monthly", "ola@inbox.test") == OK
    imported = [one for one in desk.audited("suppression.imported") if one["scope"] == "acme"]
    assert [one["actor"] for one in imported] == ["abuse"]


def test_a_robinson_list_says_when_it_is_due(
    browser: Browser, desk: Office, tmp_path: Path
) -> None:
    """It needs a country, a lead brings it in, and its freshness stands with its source."""
    file = tmp_path / "robinson.txt"
    file.write_text("robinson@inbox.test\n")
    with at_desk(browser, desk, Role.LEAD, "lists/import", width=PHONE) as page:
        for country in ("", "pl"):
            page.get_by_label("File").set_input_files(file)
            page.get_by_label("Kind").select_option("robinson")
            page.get_by_label("For", exact=True).fill("*")
            page.get_by_label("Country").fill(country)
            page.get_by_role("button", name="Compare").click()
        page.get_by_role("button", name="Bring it in").click()
        page.goto(desk.url("lists/sources"))
        row = page.locator("tr", has_text="robinson:PL")
        expect(row).to_contain_text("fresh")
        hold(page, "lists-sources")


def test_a_proof_is_shown_given_out_and_revoked(browser: Browser, desk: Office) -> None:
    """The sheet is downloaded for a reason only; a revocation closes the list at once."""
    with at_desk(browser, desk, Role.ABUSE, "consents") as page:
        page.get_by_label("Number or link of a proof").fill(JAN)
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("heading", name="Proofs about this address")).to_be_visible()
        hold(page, "consents")
        page.locator("tbody a").click()
        expect(page.locator("blockquote")).to_contain_text("I agree to the weekly.")
        assert "203.0.113.8" not in page.content()
        assert JAN not in page.content()
        hold(page, "consent")
        page.get_by_text("Evidence sheet").click()
        page.locator("#sheet-why").fill("a court asks")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PDF").click()
        assert download.value.path().read_bytes().startswith(b"%PDF")
        page.get_by_role("link", name="Verify the chain of acme").click()
        expect(page.locator("main [role=status]")).to_contain_text("Every step")
        page.go_back()
        page.locator("summary", has_text="Revoke").click()
        page.locator("#revoke-why").fill("asked by telephone")
        page.get_by_role("button", name="Revoke").click()
        expect(page.locator("main")).to_contain_text("The consent has ended.")
    assert reasons_of(desk, "consents") == [("abuse", "a court asks")]
    with at_desk(browser, desk, Role.AUDITOR, "consents/attestations", width=PHONE) as page:
        hold(page, "attestations")


def test_requests_run_their_month_and_are_answered(browser: Browser, desk: Office) -> None:
    """Filed with its identity check, a request for access is answered by a download; an erasure
    says that it is final, is a lead's, and leaves nobody readable."""
    ewa = "ewa@inbox.test"
    suppress(desk, ewa, Reason.OBJECTION, "acme")
    with at_desk(browser, desk, Role.LEAD, "subjects/new", language="pl") as page:
        hold(page, "subject-new")
        page.get_by_label("Adres osoby").fill(ewa)
        page.get_by_label("Kto i jak sprawdził").fill("basia, oddzwoniła")
        page.get_by_role("button", name="Przyjmij").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("dostęp do danych")
        hold(page, "subject")
        with page.expect_download() as download:
            page.get_by_role("button", name="Pobierz dla maszyn").click()
        assert json.loads(download.value.path().read_text())["address"] == ewa
        page.goto(desk.url("subjects/new"))
        page.get_by_label("Rodzaj").select_option("erasure")
        page.get_by_label("Adres osoby").fill(ewa)
        page.get_by_label("Kto i jak sprawdził").fill("basia, oddzwoniła")
        page.get_by_role("button", name="Przyjmij").click()
        page.goto(desk.url("subjects"))
        hold(page, "subjects")
        page.get_by_role("link", name=re.compile("Żądanie")).first.click()
        page.get_by_role("button", name="Usuń …").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Usunąć wszystko")
        expect(page.locator("main")).to_contain_text("nie da się cofnąć")
        hold(page, "subject-erase")
        page.get_by_role("button", name="Usuń na zawsze").click()
        expect(page.locator("main")).to_contain_text("Załatwiono")
        expect(page.locator("main dl.facts")).to_contain_text("usunięto")
    assert len(desk.audited("subject.reported")) == len(desk.audited("subject.erased")) == 1
    assert asked(desk, "monthly", ewa) not in (OK, NO_OPTIN)


def test_every_first_page_is_fine_on_a_phone_in_the_dark(browser: Browser, desk: Office) -> None:
    """In Polish, on a narrow dark screen, without anything that seriously hinders."""
    with at_desk(browser, desk, Role.LEAD, width=PHONE, language="pl", scheme="dark") as page:
        for path in ("look-up", "lists", "lists/add", "consents", "subjects"):
            page.goto(desk.url(path))
            hold(page, f"{path.replace('/', '-')}-dark")


def test_a_form_from_elsewhere_or_of_an_auditor_changes_nothing(
    browser: Browser, desk: Office
) -> None:
    """Without the session's token, or as somebody who only reads, every POST of these screens that
    would change something is refused."""
    changes = (
        *("look-up/suppress", "look-up/lift", "look-up/reveal", "look-up/request"),
        *("look-up/report", "lists/add", "lists/lift", "lists/import", "lists/import/confirm"),
        *(f"consents/{'0' * 32}/revoke", "subjects/new", "subjects/1/erase"),
        *("reports/1", "reports/1/reveal", "storms/1/release", "storms/1/believe"),
    )
    before = len(desk.audited("suppression.added"))
    for role in (Role.AUDITOR, Role.LEAD):
        with at_desk(browser, desk, role, "look-up") as page:
            token = page.locator("main input[name=csrf]").get_attribute("value") or ""
            sent = {"csrf": token if role is Role.AUDITOR else "x", "what": JAN, "kind": "manual"}
            for path in changes:
                answer = page.request.post(
                    desk.url(path), form=sent, headers={"Origin": desk.url()[:-6]}
                )
                assert answer.status == 403, (role, path)
    assert len(desk.audited("suppression.added")) == before
