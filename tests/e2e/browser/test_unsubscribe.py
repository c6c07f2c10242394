"""The page behind an unsubscribe link, as people use it: with a keyboard, on a phone, in their
language, and without JavaScript. What it confirms counts for the very next RCPT."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.house import COMPLAINT, OK, SENDER, UNSUB, House
from tests.e2e.browser.reader import DESKTOP, PHONE, hold, judged, press, reading, tab
from tests.e2e.certificates import HOST
from tests.e2e.session import Session


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_keyboard_is_enough(browser: Browser, house: House, width: int) -> None:
    """Everything on the page is reached with Tab in its order and has a name; Enter on the first
    button unsubscribes from this list, and an open session hears it at its next RCPT."""
    reader = f"keyboard{width}@inbox.test"
    link = house.link(reader)
    with (
        Session(house.gateway.open, "acme/weekly") as session,
        reading(browser, link, width=width) as page,
    ):
        hold(page, "unsubscribe")
        session.mail(SENDER)
        assert session.rcpt(reader)[0].short == OK
        session.command("RSET")
        session.mail(SENDER)
        tab(page, "Polski", "Why? You need not say.", "This was spam", "Unsubscribe from this list")
        tab(page, "Unsubscribe from everything from Ogród Acme")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
        assert session.rcpt(reader)[0].short == UNSUB
        hold(page, "unsubscribed-list")
        expect(page.get_by_role("listitem")).to_have_text(
            ["Mail from the list Wieści ogrodnicze <&> to your address is refused."]
        )
    assert house.asked("monthly", reader) == OK


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_everything_and_spam_in_polish(browser: Browser, house: House, width: int) -> None:
    """The reason, spam and everything in one form; the answer says what is refused, and so it is:
    all of the sender's mail but what is verified."""
    reader = f"dosyc{width}@inbox.test"
    with reading(browser, house.link(reader), width=width, language="pl") as page:
        hold(page, "unsubscribe")
        expect(page).to_have_title("Wypisz się z listy Wieści ogrodnicze <&>")
        page.get_by_label("Dlaczego?").select_option("Za dużo wiadomości")
        page.get_by_label("To był spam").check()
        press(page, "Wypisz mnie ze wszystkiego, co wysyła Ogród Acme", "Wypisano z listy")
        expect(page.get_by_role("listitem")).to_have_count(2)
        expect(page.get_by_role("button")).to_have_count(0)
        hold(page, "unsubscribed-everything-spam")
    asked = {stream: house.asked(stream, reader) for stream in ("monthly", "orders", "notices")}
    assert asked == {"monthly": COMPLAINT, "orders": OK, "notices": COMPLAINT}
    (found,) = [one for one in house.gateway.events() if one["kind"] == "complaint.received"][-1:]
    assert found["detail"]["why"] == "too-often"
    assert found["detail"]["grade"] == "B"


def test_the_answer_offers_what_was_not_chosen(browser: Browser, house: House) -> None:
    """After one click of the mail program the page offers the rest; each is in force at once, and
    a reload or another visit shows the same."""
    reader = "more@inbox.test"
    link = house.link(reader)
    with reading(browser, link, width=PHONE) as page:
        press(page, "Unsubscribe from this list", "You are unsubscribed")
        page.get_by_role("button", name="Unsubscribe from everything").click()
        refused = page.get_by_role("listitem")
        expect(refused).to_have_text(
            ["All newsletters and offers from Ogród Acme to your address are refused."]
        )
        assert house.asked("monthly", reader) == UNSUB
        assert house.asked("notices", reader) == OK
        hold(page, "unsubscribed-everything")
        page.goto(link)
        page.get_by_role("button", name="Report as spam").click()
        expect(refused).to_have_count(2)
        assert house.asked("notices", reader) == COMPLAINT
        expect(page.get_by_role("button")).to_have_count(0)


def test_the_language_is_switched_by_a_link(browser: Browser, house: House) -> None:
    """Without a cookie, and the answer to the form stays in the language that was chosen."""
    with reading(browser, house.link("switch@inbox.test")) as page:
        page.get_by_role("link", name="Polski").click()
        expect(page.locator("html")).to_have_attribute("lang", "pl")
        press(page, "Wypisz mnie z tej listy", "Wypisano z listy")
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")


def test_a_link_that_is_not_ours_says_so(browser: Browser, house: House) -> None:
    """A page in the reader's language, no bare error."""
    link = house.link("forged@inbox.test")
    link = f"{link[:-9]}{'b' if link[-9] == 'a' else 'a'}{link[-8:]}"
    for language, said in (("en", "There is no such page"), ("pl", "Nie ma takiej strony")):
        with reading(browser, link, width=PHONE, language=language, status=404) as page:
            expect(page.get_by_role("heading", level=1)).to_have_text(said)
            hold(page, "problem-404")


@pytest.mark.parametrize("path", ["/replies/", "/replies/UNSUB"])
def test_what_a_refusal_means_is_read_on_a_phone(browser: Browser, house: House, path: str) -> None:
    """The pages that replies link to keep what the others promise."""
    address = f"http://{HOST}:{house.gateway.web}{path}"
    with reading(browser, address, width=PHONE, language="pl") as page:
        hold(page, path.strip("/").replace("/", "-").lower())


def test_nothing_seriously_hinders_anybody(browser: Browser, house: House) -> None:
    """axe-core finds nothing serious, neither before nor after the choice, light or dark."""
    link = house.link("axe@inbox.test")
    replies = f"http://{HOST}:{house.gateway.web}/replies/"
    for address in (f"{link}?lang=pl", replies, f"{replies}UNSUB"):
        assert judged(browser, address) == []
    with reading(browser, link) as page:
        press(page, "Unsubscribe from this list", "You are unsubscribed")
    assert judged(browser, link) == []
