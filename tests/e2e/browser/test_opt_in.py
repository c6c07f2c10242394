"""A subscription by hosted double opt-in, from the customer's API call to the proof: the mail at a
real next hop, its link in a real browser, one click, and the very next RCPT."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.house import NO_OPTIN, OK, PRIVACY, SENDER, UNSUB, House
from tests.e2e.browser.reader import DESKTOP, PHONE, VISITOR, hold, judged, press, reading, tab
from tests.e2e.session import Session, wait_until

WORDS = {
    "en": "I agree that Acme Garden, 1 Main Street, sends me <Seeds> & bulbs.\n\nI can withdraw.",
    "pl": "Zgadzam się, aby Ogród Acme, ul. Główna 1, wysyłał mi <Nasiona> & cebulki.",
}
SAYS = {
    "en": ("Do you want Nasiona?", "Yes, I agree", "You are subscribed to Nasiona"),
    "pl": ("Czy chcesz otrzymywać Nasiona?", "Tak, zgadzam się", "Zapisano na listę Nasiona"),
}


class Customer:
    """Acme's shop: it asks for consent by the API and follows the mail."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.token = house.token()

    def asks(self, reader: str, language: str) -> tuple[str, str]:
        """Ask `reader`; the tracking number, and the link in the mail once it is there."""
        wish = {
            "address": reader,
            "scope": "acme/seeds",
            "text": WORDS[language],
            "language": language,
        }
        tracking = self.house.call(self.token, "/consents/requests", wish)["tracking"]
        raw = wait_until(
            lambda: next(
                (one.raw for one in self.house.sink.messages if one.recipients == (reader,)), None
            )
        )
        body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
        assert body is not None
        found = re.search(r"http://\S+/c/[a-z2-7]{52}", body.get_content())
        assert found
        return tracking, found[0]

    def proof(self, tracking: str) -> dict[str, object]:
        """The proof as the API shows it."""
        shown = self.house.call(self.token, f"/consents/{tracking}")
        assert isinstance(shown, dict)
        return shown


@pytest.fixture(scope="module")
def customer(house: House) -> Customer:
    """The customer, whose lists ask for consent."""
    return Customer(house)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("language", ["en", "pl"])
def test_a_subscription_from_the_call_to_the_proof(
    browser: Browser, house: House, customer: Customer, language: str, width: int
) -> None:
    """The page shows who asks and the whole text; reading it changes nothing; one press of the
    button is a proof of level 4 with who pressed it, and the list's very next RCPT passes. The
    evidence can be had as a PDF."""
    reader = f"seeds{width}{language}@inbox.test"
    tracking, link = customer.asks(reader, language)
    title, yes, done = SAYS[language]
    with (
        Session(house.gateway.open, "acme/seeds") as session,
        reading(browser, link, width=width, language=language) as page,
    ):
        session.mail(SENDER)
        assert session.rcpt(reader)[0].short == NO_OPTIN
        expect(page).to_have_title(title)
        expect(page.get_by_role("main")).to_contain_text("Ogród Acme")
        quoted = page.get_by_role("blockquote")
        expect(quoted).to_have_js_property("textContent", WORDS[language])
        expect(quoted).to_have_attribute("lang", language)
        expect(page.get_by_role("link", name="Ogród Acme")).to_have_attribute("href", PRIVACY)
        hold(page, "confirm")
        press(page, yes, done)
        hold(page, "confirmed")
        assert session.rcpt(reader)[0].short == OK
    shown = customer.proof(tracking)
    assert (shown["level"], shown["status"], shown["text"]) == (4, "confirmed", WORDS[language])
    sheet = house.call(customer.token, f"/consents/{tracking}/evidence")
    taken = {step["step"]: step["personal"] for step in sheet["steps"]}
    assert list(taken) == ["requested", "sending", "mailed", "confirmed"]
    clicked = taken["confirmed"]
    assert (clicked["ip"], clicked["port"]) == (VISITOR, 4711)
    assert "Chrom" in clicked["user_agent"]
    assert "250" in taken["mailed"]["reply"]
    assert sheet["chain"]["flaw"] is None
    pdf = house.fetch(customer.token, f"/consents/{tracking}/evidence", "application/pdf")
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")


def test_a_keyboard_is_enough_to_say_yes_and_no(
    browser: Browser, house: House, customer: Customer
) -> None:
    """Tab reaches everything in its order; Enter confirms, and withdraws on the page that follows;
    then the list is closed to the address and the link is over."""
    reader = "keys@inbox.test"
    tracking, link = customer.asks(reader, "en")
    with reading(browser, link, width=PHONE) as page:
        tab(page, "Polski", "Privacy notice of Ogród Acme", "Yes, I agree")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed to Nasiona")
        assert house.asked("seeds", reader) == OK
        tab(page, "Polski", "Privacy notice of Ogród Acme", "Withdraw my consent")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Withdrawn")
        assert house.asked("seeds", reader) == UNSUB
        hold(page, "confirm-withdrawn")
    assert customer.proof(tracking)["status"] == "revoked"
    with reading(browser, link, status=410) as page:
        expect(page.get_by_role("button")).to_have_count(0)


def test_somebody_else_did_it(browser: Browser, house: House, customer: Customer) -> None:
    """Who did not ask says so, in Polish too, and gets nothing."""
    reader = "victim@inbox.test"
    tracking, link = customer.asks(reader, "pl")
    with reading(browser, link, width=PHONE, language="pl") as page:
        press(page, "To nie moja prośba", "Wycofano")
        hold(page, "confirm-withdrawn")
    assert customer.proof(tracking)["status"] == "revoked"
    assert house.asked("seeds", reader) == UNSUB


def test_nothing_seriously_hinders_anybody(
    browser: Browser, house: House, customer: Customer
) -> None:
    """axe-core finds nothing serious in the question, the answer and the end, light or dark."""
    _, link = customer.asks("axe@inbox.test", "pl")
    assert judged(browser, link) == []
    with reading(browser, link) as page:
        press(page, "Yes, I agree", "You are subscribed to Nasiona")
        assert judged(browser, link) == []
        press(page, "Withdraw my consent", "Withdrawn")
    assert judged(browser, link) == []
