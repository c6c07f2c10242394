from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.web.forms import MAX_BODY, said
from gateway.web.parts import Subscription
from gateway.web.unsubscribe import choice_of
from suppression.choices import Choice, InForce, Why

if TYPE_CHECKING:
    from conftest import Gateway

LINK = "/u/" + "a" * 52
FORGED = "/u/" + "a" * 51 + "b"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def test_one_click_is_durable_before_it_is_confirmed(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """RFC 8058: a POST without cookie or redirect, urlencoded or multipart."""
    for form in ({"data": ONE_CLICK}, {"files": {"List-Unsubscribe": (None, "One-Click")}}):
        response = await client.post(LINK, **form)  # type: ignore[arg-type]
        assert response.status_code == 200
        assert "set-cookie" not in response.headers
    assert [(token.stream_number, *how) for token, *how in gateway.chosen] == [
        (7, Choice(), "one-click")
    ] * 2


async def test_a_link_scanner_changes_nothing(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """GET and HEAD show the page with its form, however often; other methods are refused."""
    for _ in range(3):
        page = await client.get(LINK)
        assert page.status_code == 200
        assert '<form method="post">' in page.text
        assert (await client.head(LINK)).status_code == 200
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await client.request(method, LINK)).status_code == 405
    assert gateway.chosen == []


async def test_the_pages_own_form_is_a_one_click_request(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """What the button sends is what the page's hidden field says, and a person can read the end."""
    page = await client.get(LINK)
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page.text
    done = await client.post(LINK, data=ONE_CLICK, headers={"Accept-Language": "pl"})
    assert "Wypisano z listy" in done.text
    assert len(gateway.chosen) == 1


@pytest.mark.parametrize(
    ("form", "choice"),
    [
        ({"from": "list"}, Choice()),
        ({"from": "sender"}, Choice(is_wide=True)),
        ({"from": "sender", "why": "too-often"}, Choice(is_wide=True, why=Why.TOO_OFTEN)),
        ({"from": "list", "why": ""}, Choice()),
        ({"from": "list", "why": "because I say so <b>"}, Choice()),
        ({"from": "list", "spam": "yes", "why": "other"}, Choice(is_spam=True, why=Why.OTHER)),
        ({"from": "list", "spam": "no"}, Choice()),
        ({"spam": "yes"}, Choice(is_spam=True)),
        ({"from": ["list", "sender"]}, Choice(is_wide=True)),
    ],
)
async def test_the_form_may_say_more(
    client: httpx.AsyncClient, gateway: Gateway, form: dict[str, str], choice: Choice
) -> None:
    """This list or everything, a fixed reason, spam; anything else is not taken."""
    assert (await client.post(LINK, data=ONE_CLICK | form)).status_code == 200
    assert [how for _, *how in gateway.chosen] == [[choice, "page"]]


async def test_the_answer_says_what_is_in_force_and_offers_the_rest(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """After each choice the page names it and has buttons for those not made yet; looking again
    shows the same."""
    first = (await client.get(LINK)).text
    assert "Nothing has changed yet" in first
    assert 'name="from" value="list"' in first
    assert "Unsubscribe from Weekly &lt;News&gt;" in first
    out = (await client.post(LINK, data=ONE_CLICK | {"from": "list"})).text
    assert out == (await client.get(LINK)).text
    assert "Mail from the list Weekly &lt;News&gt; to your address is refused" in out
    assert 'name="from" value="list"' not in out
    assert 'name="from" value="sender"' in out
    assert 'name="spam"' in out
    wide = (await client.post(LINK, data=ONE_CLICK | {"from": "sender"})).text
    assert "All newsletters and offers from Acme &amp; Co to your address are refused" in wide
    assert 'value="sender"' not in wide
    all_of_it = (await client.post(LINK, data=ONE_CLICK | {"spam": "yes"})).text
    assert "Your report of spam is recorded" in all_of_it
    assert "<form" not in all_of_it


async def test_a_complaint_alone_leaves_the_list_on_offer(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """Made by another way, it refuses the list's mail too; the page does not say unsubscribed."""
    gateway.in_force = InForce(has_complained=True)
    page = (await client.get(LINK)).text
    assert '<h1 class="done">Your report is recorded</h1>' in page
    assert 'name="from" value="list"' in page
    assert 'name="from" value="sender"' in page


async def test_a_page_that_cannot_be_filled_is_no_page(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """Looking needs the records as well: 503 with Retry-After."""
    gateway.is_broken = True
    response = await client.get(LINK)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0


async def test_every_token_that_is_not_ours_reads_the_same(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """Forged, short, long or odd: 404 with one body, for GET and POST, without asking the store."""
    gateway.is_broken = True
    bodies = set()
    for link in (FORGED, "/u/x", "/u/" + "a" * 500, "/u/%00%ff", "/u/" + "a" * 51 + "\u0105"):
        bodies.add((await client.get(link)).content)
        response = await client.post(link, data=ONE_CLICK)
        bodies.add(response.content)
        assert response.status_code == 404
    assert len(bodies) == 1
    assert gateway.looks == 0


async def test_a_store_that_cannot_write_is_no_confirmation(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """503 with Retry-After, and 200 again as soon as it can."""
    gateway.is_broken = True
    response = await client.post(LINK, data=ONE_CLICK)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "disk full" not in response.text
    gateway.is_broken = False
    assert (await client.post(LINK, data=ONE_CLICK)).status_code == 200


async def test_a_fault_of_ours_shows_no_detail(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """The page is plain and still carries every security header."""

    async def fail(*_arguments: object) -> Subscription:
        raise RuntimeError("a secret detail")

    gateway.choose = fail  # type: ignore[assignment,method-assign]
    response = await client.post(LINK, data=ONE_CLICK)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "content-security-policy" in response.headers


async def test_a_post_that_does_not_ask_for_it_changes_nothing(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """RFC 8058 section 3.2: the field is what tells the wish from an accident."""
    for content in (b"", b"List-Unsubscribe=Maybe", b"One-Click"):
        assert (await client.post(LINK, content=content)).status_code == 400
    assert gateway.chosen == []


async def test_bodies_are_bounded(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """Also when no length is announced."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"List-Unsubscribe=One-Click&x="
        for _ in range(MAX_BODY):
            yield b"x" * 1024

    assert (await client.post(LINK, content=chunks())).status_code == 413
    assert gateway.chosen == []


@given(
    st.sampled_from(["", "text/plain", "multipart/form-data; boundary=x", "multipart/"]),
    st.binary(max_size=200),
)
def test_any_body_is_read_without_harm(content_type: str, body: bytes) -> None:
    """Garbage is no wish and no fault."""
    assume(b"click" not in body.lower())  # the very words of a wish are tried, too
    assert choice_of(said(content_type, body)) is None


@given(st.binary(max_size=100))
def test_a_multipart_body_with_anything_in_it_is_read_without_harm(middle: bytes) -> None:
    """Inside real boundaries too, files included."""
    start = b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'
    assert (
        choice_of(said("multipart/form-data; boundary=x", start + middle + b"\r\n--x--\r\n"))
        is None
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        ("", b"list-unsubscribe=one-click"),
        ("text/plain", b"a=b&List-Unsubscribe=One-Click%0D%0A"),
    ],
)
def test_the_wish_is_understood_as_mailbox_providers_write_it(
    content_type: str, body: bytes
) -> None:
    """Without a type, in other case, with a line end behind it."""
    assert choice_of(said(content_type, body)) == Choice()
