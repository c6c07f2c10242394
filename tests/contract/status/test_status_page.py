"""What a link shows on a tenant's status page, to whom, and what else a tenant may do there."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import select

from gateway.errors import StoreUnavailable
from gateway.records.case_view import timeline
from gateway.records.streams import stream_number
from gateway.records.subjects import plain_texts
from gateway.records.tables import audit
from gateway.web.status.texts import STATUS
from policies.sanctions.words import FactKind
from suppression.case_links import case_link
from suppression.keys import Generation, Keyring
from suppression.tokens import Purpose, Tokens
from tests.contract.status.conftest import Page
from tests.contract.status.world import BASE, World, changes, picture

TO_DO = ["protection-confirmed", "screenshot", "explanation", "invoice-paid", "deleted"]


async def test_the_link_shows_why_what_and_until_when(
    world: World, client: httpx.AsyncClient
) -> None:
    """The sentence, the clause, what is blocked, every requirement, the deadline and what follows,
    in both languages, all of it escaped; it changes nothing."""
    page = Page(client, world, world.link_of(world.open()))
    before = changes(world)
    shown = await page.get()
    assert shown.status_code == 200
    text = shown.text
    for said in (
        "unasked mail &lt;i&gt;</h1>",
        "Unasked mail &lt;i&gt;: once",
        "Sending from acme.test is blocked.",
        "Own &lt;terms&gt;, 1: Nobody is mailed who &lt;b&gt;wants&lt;/b&gt; none.",
        "Firma acme &lt;&amp;&gt;",
        "(30 d left)",
        STATUS["en"]["then_may-terminate"],
        "o***@acme.test",
    ):
        assert said in text
    assert text.count(f"({STATUS['en']['open']})") == len(TO_DO)
    assert "<i>" not in text
    assert "office@acme.test" not in text
    assert 'name="pass"' not in text
    polish = (await page.get("pl")).text
    assert "Wysyłanie z acme.test jest zablokowane." in polish
    assert "Nie pisze się do tych, co nie chcą." in polish
    assert changes(world) == before


async def test_pages_carry_the_headers_of_all_public_pages(
    world: World, client: httpx.AsyncClient
) -> None:
    """No script, no picture, no cookie, no store, no frame, no referrer."""
    shown = await Page(client, world, world.link()).get()
    policy = shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src" not in policy
    assert "script" not in policy
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert shown.headers["X-Frame-Options"] == "DENY"
    assert "Set-Cookie" not in shown.headers
    assert "<script" not in shown.text
    assert "<img" not in shown.text


async def test_without_a_link_the_page_says_where_it_is(client: httpx.AsyncClient) -> None:
    """`/status` leads to a page that names nobody."""
    answer = await client.get("/status", follow_redirects=True)
    assert answer.status_code == 200
    assert STATUS["en"]["about_refusal"] in answer.text


async def test_a_link_shows_its_tenant_and_its_case_only(
    world: World, client: httpx.AsyncClient
) -> None:
    """Neither another tenant's case, address or name, nor another case of the same tenant."""
    mine, other = world.open(), world.open("beta")
    second = world.open(kind=FactKind.EMERGENCY)
    world.complain("acme", "mine@example.org")
    world.complain("beta", "theirs@example.org")
    text = (await Page(client, world, world.link_of(mine)).get()).text
    assert mine.id in text
    for hidden in (other.id, second.id, "beta", "t***@example.org"):
        assert hidden not in text
    whole = (await Page(client, world, world.link("acme")).get()).text
    assert mine.id in whole
    assert second.id in whole
    assert other.id not in whole
    assert "beta" not in whole


async def test_a_link_of_nobody_is_one_and_the_same_404(
    world: World, client: httpx.AsyncClient
) -> None:
    """Forged, of another purpose, of a case of another tenant, of a stream, of a secret case, of
    no case: status, body and headers are the same, to look and to act."""
    case, other = world.open(), world.open("beta")
    legal = world.open(kind=FactKind.LEGAL_REQUEST)
    good = world.link_of(case)
    flipped = good[:-9] + ("b" if good[-9] == "a" else "a") + good[-8:]
    stranger = Keyring([Generation.fresh(0)])
    forged = world.link_of(case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "keyring", stranger)
        forged = world.link_of(case)
    with world.database.transaction() as connection:
        number = stream_number(connection, "acme")
        stream = stream_number(connection, "acme", "mail")
    tokens = Tokens(world.keyring)
    others = [one for one in Purpose if one is not Purpose.CASE]
    wrong = [
        *(f"/status/{tokens.make(one, number, case.tracking)}" for one in others),
        case_link("", tokens, stream, case.tracking),
        case_link("", tokens, stream),
        flipped,
        forged,
        good + "a",
        world.link("acme", other.tracking),
        world.link("acme", bytes(15) + b"\1"),
        world.link_of(legal),
        "/status/%00",
        "/status/" + "a" * 52,
    ]
    answers = set()
    for path in wrong:
        for answer in (
            await client.get(path),
            await client.post(path, files=[("do", (None, b"code"))]),
            await client.post(path, content=b"x" * 100),
        ):
            fixed = tuple(sorted(item for item in answer.headers.items() if item[0] != "date"))
            answers.add((answer.status_code, answer.text, fixed))
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert not world.hops.mails


async def test_an_appeal_needs_words_and_is_the_tenants(
    world: World, client: httpx.AsyncClient
) -> None:
    """It is on record as the tenant's decision, its words sealed; the page says until when it is
    decided, and what was handed in before stands."""
    case = world.open()
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    assert (await page.send("appeal", text=" \r\n ")).status_code == 422
    assert (await page.send("appeal", text="x" * 5001)).status_code == 422
    answer = await page.send("appeal", text="It was not us, ask adam@example.org")
    assert answer.status_code == 200
    now = world.case(case.number).case
    assert now.appeal_at == world.now
    assert "Your appeal came in on" in answer.text
    with world.database.reading() as connection:
        entry = next(one for one in timeline(connection, case.number) if one.subject)
        trail = repr(connection.execute(select(audit)).all()) + repr(entry)
        assert "It was not us" not in trail
        (said,) = plain_texts(connection, world.keyring, [entry.subject or 0]).values()
    assert said == "It was not us, ask adam@example.org"
    assert (entry.actor, entry.detail["decision"]) == ("acme:status", "appeal")


async def test_complaining_addresses_are_shown_in_full_after_the_code_only(
    world: World, client: httpx.AsyncClient
) -> None:
    """Masked by the link alone, in full with a pass, listed as deleted afterwards; nobody else's
    address can be acknowledged."""
    key = world.complain("acme", "full@example.org")
    theirs = world.complain("beta", "other@example.org")
    page = Page(client, world, world.link("acme"))
    shown = (await page.get()).text
    assert "f***@example.org" in shown
    assert "full@example.org" not in shown
    await page.sign_in()
    assert "full@example.org" in (await page.send("none")).text
    assert (await page.send("deleted")).status_code == 422
    assert (await page.send("deleted", key=["zz"])).status_code == 400
    answer = await page.send("deleted", key=[key, theirs])
    assert "Noted: 1 deleted." in answer.text
    assert f'value="{key}"' not in answer.text
    other = Page(client, world, world.link("beta"))
    await other.sign_in()
    assert f'value="{theirs}"' in (await other.send("none")).text


async def test_a_list_is_checked_for_a_receipt(world: World, client: httpx.AsyncClient) -> None:
    """By line, never by address; only for a stream of the tenant's own."""
    page = Page(client, world, world.link("acme"))
    await page.sign_in()
    answer = await page.send("check", stream="mail", list="jan@example.org\nno address\n")
    assert answer.status_code == 200
    assert "1 of 2 addresses may be mailed" in answer.text
    assert "line 2: <code>RCPT-SYNTAX</code>" in answer.text
    assert "jan@example.org" not in answer.text
    file = ("list.csv", b"address\newa@example.org\n")
    assert "1 of 1" in (await page.send("check", file=file, stream="mail")).text
    assert (await page.send("check", stream="other", list="a@b.example")).status_code == 422
    assert (await page.send("check", stream="mail", list="\n")).status_code == 422
    assert [event.kind for event in world.events].count("pre-check.done") == 2


async def test_a_store_that_cannot_serve_is_told_and_nothing_is_confirmed(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, to look and to act; the journal hears of it, and the case stands."""
    case = world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    await page.sign_in()

    def away(*_: object) -> object:
        raise StoreUnavailable("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(world.database, "write", away)
        answer = await page.send("hand", file=("a.png", picture()), requirement="screenshot")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        patch.setattr(world.database, "reading", away)
        answer = await page.get()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert [event.kind for event in world.events] == ["status.failed"] * 2
    assert "disk full" not in answer.text
    assert world.case(case.number).case.open_items == ("screenshot",)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"do=code"),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"no form"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=do\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 1000 + b"\r\n--x--\r\n"),
        ("", b""),
    ],
)
async def test_what_is_no_form_is_a_bad_request(
    world: World, client: httpx.AsyncClient, kind: str, body: bytes
) -> None:
    """And changes nothing."""
    answer = await client.post(
        f"{BASE}{world.link()}", content=body, headers={"Content-Type": kind}
    )
    assert answer.status_code == 400
    assert not world.hops.mails


def test_both_languages_say_the_same_things() -> None:
    """Every text stands in English and in Polish, with the same places to fill in."""
    english, polish = STATUS["en"], STATUS["pl"]
    assert english.keys() == polish.keys()
    places = re.compile(r"\{(\w+)\}")
    for name, text in english.items():
        assert set(places.findall(text)) == set(places.findall(polish[name])), name
