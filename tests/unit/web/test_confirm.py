from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.web.parts import State

if TYPE_CHECKING:
    from conftest import Gateway

LINK = "/c/" + "a" * 52
FORGED = "/c/" + "a" * 51 + "b"
YES = {"answer": "confirm"}
NO = {"answer": "withdraw"}


async def test_only_post_confirms(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """GET and HEAD show the question, however often, and other methods are refused; the button of
    the form confirms."""
    for _ in range(3):
        page = await client.get(LINK)
        assert page.status_code == 200
        assert '<button type="submit" name="answer" value="confirm"' in page.text
        assert (await client.head(LINK)).status_code == 200
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await client.request(method, LINK)).status_code == 405
    assert gateway.answered == []
    done = await client.post(LINK, data=YES)
    assert done.status_code == 200
    assert "You are subscribed to Weekly &lt;News&gt;" in done.text
    assert [is_yes for is_yes, _ in gateway.answered] == [True]


async def test_the_question_is_shown_whole(client: httpx.AsyncClient) -> None:
    """Who asks, which list, the whole consent text in its own language, escaped, and the privacy
    notice."""
    page = (await client.get(LINK, headers={"Accept-Language": "en"})).text
    assert "Do you want Weekly &lt;News&gt;?" in page
    assert "Acme &amp; Co asks" in page
    quoted = re.search(r'<blockquote lang="pl"[^>]*>(.*?)</blockquote>', page, re.DOTALL)
    assert quoted
    assert quoted[1] == "I agree to &lt;b&gt;everything&lt;/b&gt;\nand more."
    assert 'href="https://acme.example/privacy?a=b&amp;c"' in page


async def test_who_confirmed_is_recorded(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """Address, port and software of the visitor, past a proxy of ours, and the line of a log."""
    headers = {"X-Forwarded-For": "192.0.2.7:4711", "User-Agent": "Browser/1.0"}
    await client.post(LINK, data=YES, headers=headers)
    ((_, visit),) = gateway.answered
    assert (visit.ip, visit.port, visit.user_agent) == ("192.0.2.7", 4711, "Browser/1.0")
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    line = rf'{moment} 192\.0\.2\.7 4711 "POST {LINK} HTTP/1\.1" "Browser/1\.0"'
    assert re.fullmatch(line, visit.line)


async def test_it_can_be_withdrawn_before_and_after(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """A button says that it was somebody else, another ends a consent; the answer is 200, and the
    link is gone afterwards."""
    for state, label in (
        (State.ASKED, "I did not ask for this"),
        (State.CONFIRMED, "Withdraw my consent"),
    ):
        gateway.state = state
        page = (await client.get(LINK)).text
        assert re.search(
            rf'<button type="submit" name="answer" value="withdraw"[^>]*>{label}', page
        )
        answer = await client.post(LINK, data=NO)
        assert answer.status_code == 200
        assert "Withdrawn" in answer.text
        again = await client.get(LINK)
        assert again.status_code == 410
        assert "<form" not in again.text
    assert [is_yes for is_yes, _ in gateway.answered] == [False, False]


@pytest.mark.parametrize(
    ("state", "title"),
    [
        (State.LEFT, "You have left this list"),
        (State.WITHDRAWN, "Withdrawn"),
        (State.EXPIRED, "This link has expired"),
        (State.SUPERSEDED, "There is a newer request"),
        (State.CLOSED, "This request is closed"),
    ],
)
async def test_what_is_over_says_so(
    client: httpx.AsyncClient, gateway: Gateway, state: State, title: str
) -> None:
    """A page of its own for each way, 410 for GET and for a POST that confirms too late."""
    gateway.state = state
    for answer in (await client.get(LINK), await client.post(LINK, data=YES)):
        assert answer.status_code == 410
        assert f"<title>{title}</title>" in answer.text
        assert "<form" not in answer.text


async def test_confirming_again_is_no_error(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """Both say that the person is subscribed, and offer to withdraw."""
    pages = {(await client.post(LINK, data=YES)).text for _ in range(2)}
    assert len(pages) == 1
    assert "Withdraw my consent" in pages.pop()


async def test_every_token_that_is_not_ours_reads_the_same(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """404 with one body, for GET and POST, without asking the store; so reads one whose request
    is not on record."""
    gateway.is_broken = True
    answers = []
    for link in (FORGED, "/c/x", "/c/" + "a" * 500, "/c/%00%ff"):
        answers += [await client.get(link), await client.post(link, data=YES)]
    assert gateway.looks == 0
    gateway.is_broken, gateway.state = False, None
    answers += [await client.get(LINK), await client.post(LINK, data=YES)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


async def test_a_store_that_cannot_serve_is_no_confirmation(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """503 with Retry-After for question and answer."""
    gateway.is_broken = True
    for answer in (await client.get(LINK), await client.post(LINK, data=YES)):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


async def test_a_post_that_answers_nothing_changes_nothing(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """Only the two buttons count, and a one-click unsubscribe is none of them; of both, no."""
    for form in ({}, {"answer": "maybe"}, {"List-Unsubscribe": "One-Click"}):
        assert (await client.post(LINK, data=form)).status_code == 400
    assert gateway.answered == []
    await client.post(LINK, data={"answer": ["confirm", "withdraw"]})
    assert [is_yes for is_yes, _ in gateway.answered] == [False]
