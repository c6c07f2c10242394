"""What a tenant sees and does on its status page, through the whole web application."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy import func, select

from gateway.config.clamav import ClamAvSettings
from gateway.courier import Fate
from gateway.errors import StoreUnavailable
from gateway.records import evidence
from gateway.records.case_view import timeline
from gateway.records.streams import stream_number
from gateway.records.subjects import plain_texts
from gateway.records.tables import audit
from gateway.web.status import passes
from gateway.web.status.form import FORM_OCTETS
from gateway.web.status.texts import STATUS
from policies.sanctions.words import FactKind, Phase
from suppression.case_links import case_link
from suppression.keys import Generation, Keyring
from suppression.tokens import Purpose, Tokens
from tests.contract.status.conftest import Page
from tests.contract.status.world import BASE, World

TO_DO = ["protection-confirmed", "screenshot", "explanation", "invoice-paid", "deleted"]


def picture(colour: str = "white") -> bytes:
    """A screenshot."""
    file = BytesIO()
    Image.new("RGB", (320, 200), colour).save(file, "PNG")
    return file.getvalue()


def changes(world: World) -> int:
    """How many records the audit trail has."""
    with world.database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(audit)) or 0)


# ---- seeing -------------------------------------------------------------------------------------


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


# ---- the boundary -------------------------------------------------------------------------------


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


async def test_a_pass_is_good_for_its_link_and_its_time(
    world: World, client: httpx.AsyncClient
) -> None:
    """Another tenant's, another case's, a forged, a changed and an old pass change nothing."""
    case, other, second = world.open(), world.open("beta"), world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    mine = page.link_pass
    good = passes.make(world.keyring, world.link_of(case).rpartition("/")[2], world.now)
    assert mine == good
    ends, _, tag = mine.partition(".")
    later = f"{int(ends, 16) + 10**6:x}.{tag}"
    forged = passes.make(Keyring([Generation.fresh(0)]), page.path.rpartition("/")[2], world.now)
    before = changes(world)
    for path, given in (
        (world.link_of(other), mine),
        (world.link_of(second), mine),
        (world.link("acme"), mine),
        (page.path, later),
        (page.path, forged),
        (page.path, mine[:-1]),
        (page.path, f"{ends}."),
        (page.path, "\u0661." + tag),
    ):
        tried = Page(client, world, path, given)
        answer = await tried.send("hand", requirement="protection-confirmed")
        assert answer.status_code == 403
        assert not tried.link_pass
    world.now += passes.SECONDS
    tried = Page(client, world, page.path, mine)
    assert (await tried.send("hand", requirement="protection-confirmed")).status_code == 403
    assert changes(world) == before


# ---- codes --------------------------------------------------------------------------------------


async def test_a_code_goes_to_the_contact_and_opens_the_page(
    world: World, client: httpx.AsyncClient
) -> None:
    """In the contact's language; a wrong one does not open it, the right one does, once."""
    case = world.open()
    page = Page(client, world, world.link_of(case))
    assert STATUS["en"]["say_code_sent"] in (await page.send("code")).text
    ((recipient, octets),) = world.hops.mails
    assert recipient == "office@acme.test"
    assert b"Content-Language: pl" in octets
    assert case.id.encode() in octets
    wrong = await page.send("enter", code="1234")
    assert (wrong.status_code, page.link_pass) == (403, "")
    code = world.hops.code
    assert (await page.send("enter", code=code)).status_code == 200
    assert page.link_pass
    again = Page(client, world, page.path)
    assert (await again.send("enter", code=code)).status_code == 403
    assert not again.link_pass


@pytest.mark.parametrize(
    ("fate", "status"), [(Fate.LATER, 503), (Fate.REFUSED, 503), (Fate.UNKNOWN, 200)]
)
async def test_a_code_that_did_not_leave_is_not_said_to(
    world: World, client: httpx.AsyncClient, fate: Fate, status: int
) -> None:
    """When it is certain; then it opens nothing, and does not count towards the hour's."""
    page = Page(client, world, world.link_of(world.open()))
    world.hops.fate = fate
    for _ in range(7 if status == 503 else 1):
        answer = await page.send("code")
        assert answer.status_code == status
    opened = await page.send("enter", code=world.hops.code)
    assert opened.status_code == (403 if status == 503 else 200)


async def test_nobody_is_flooded_with_codes(world: World, client: httpx.AsyncClient) -> None:
    """The sixth in an hour is refused, on whatever page of the tenant it is asked for."""
    pages = [
        Page(client, world, world.link("acme")),
        Page(client, world, world.link_of(world.open())),
    ]
    answers = [(await pages[number % 2].send("code")).status_code for number in range(6)]
    assert answers == [200] * 5 + [429]
    assert len(world.hops.mails) == 5


# ---- acting -------------------------------------------------------------------------------------


async def test_everything_handed_in_waits_for_staff(
    world: World, client: httpx.AsyncClient
) -> None:
    """A confirmation, a picture, words and deletions, each with its trail; what staff note is not
    the tenant's to hand in; with all in, the case is submitted. Words and names lie sealed."""
    case = world.open()
    key = world.complain("acme", "hand@example.org")
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    assert (await page.send("hand", requirement="protection-confirmed")).status_code == 200
    shot = ("lista jan@example.org.png", picture() + b"what was appended")
    answer = await page.send("hand", file=shot, requirement="screenshot")
    assert STATUS["en"]["say_handed"] in answer.text
    words = "We forgot <b>jan@example.org</b>."
    assert (await page.send("hand", requirement="explanation", text=words)).status_code == 200
    assert (await page.send("hand", requirement="invoice-paid")).status_code == 409
    with world.database.reading() as connection:
        waiting = re.findall(r'name="key" value="([0-9a-f]+)"', (await page.send("none")).text)
    assert key in waiting
    assert (await page.send("deleted", key=waiting)).status_code == 200
    now = world.case(case.number).case
    assert now.open_items == ("invoice-paid",)
    assert {one.met_by for one in now.requirements if one.met_at} == {"acme:status"}
    with world.database.reading() as connection:
        entries = timeline(connection, case.number)
        kinds = [one.kind for one in entries]
        assert kinds.count("requirement.handed") == 4
        (file,) = evidence.of_case(connection, world.keyring, case.number)
        kept = evidence.content_of(connection, world.keyring, case.number, file.number)
        (text,) = plain_texts(
            connection, world.keyring, [one.subject for one in entries if one.subject]
        ).values()
        trail = repr(connection.execute(select(audit)).all()) + repr(entries)
    assert text == words
    assert (file.name, file.requirement, file.actor) == (shot[0], "screenshot", "acme:status")
    assert "jan@example.org" not in trail
    assert "We forgot" not in trail
    assert file.digest.hex() in trail
    assert sha256(kept).digest() == file.digest
    assert b"what was appended" not in kept


async def test_the_last_thing_in_starts_staffs_clock(
    world: World, client: httpx.AsyncClient
) -> None:
    """The tenant's clock rests, and the page says by when it is looked at; the block stands."""
    case = world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    answer = await page.send("hand", file=("a.png", picture()), requirement="screenshot")
    now = world.case(case.number).case
    assert (now.phase, now.blocked, now.due_at) == (Phase.SUBMITTED, True, None)
    assert STATUS["en"]["phase_submitted"] in answer.text
    assert "Our people look at it by 2027-" in answer.text
    again = await page.send("hand", file=("a.png", picture("red")), requirement="screenshot")
    assert again.status_code == 409
    with world.database.reading() as connection:
        assert len(evidence.of_case(connection, world.keyring, case.number)) == 1


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (("a.png", b"GIF89a"), "upload_type"),
        (("a.html", b"<html><script>"), "upload_type"),
        (("a.png", picture()[:60]), "upload_broken"),
        (("", b""), "upload_empty"),
        (None, "upload_empty"),
    ],
)
async def test_what_is_no_picture_is_refused_with_the_reason(
    world: World, client: httpx.AsyncClient, file: tuple[str, bytes] | None, said: str
) -> None:
    """The page says what to send; nothing is kept and nothing is met."""
    case = world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    before = changes(world)
    answer = await page.send("hand", file=file, requirement="screenshot")
    assert answer.status_code == 422
    assert STATUS["en"][f"say_{said}"] in answer.text
    assert page.link_pass
    assert changes(world) == before
    assert world.case(case.number).case.open_items == ("screenshot",)


@pytest.mark.parametrize(
    ("says", "status", "said"),
    [
        (b"stream: OK\0", 200, "handed"),
        (b"stream: Eicar-Test-Signature FOUND\0", 422, "upload_virus"),
        (b"stream: ERROR\0", 503, "scanner_away"),
        (b"", 503, "scanner_away"),
    ],
)
async def test_nothing_is_kept_that_the_scanner_has_not_called_clean(
    world: World,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    says: bytes,
    status: int,
    said: str,
) -> None:
    """What it finds is refused and noted in the case; while it is away the tenant is asked to come
    again, and nothing is stored."""

    async def scan(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            await reader.readexactly(size)
        writer.write(says)
        writer.close()

    case = world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    async with await asyncio.start_unix_server(scan, tmp_path / "clamd.ctl"):
        scanner = ClamAvSettings(socket=tmp_path / "clamd.ctl")
        monkeypatch.setitem(world.loaded.config.__dict__, "clamav", scanner)
        answer = await page.send("hand", file=("a.png", picture()), requirement="screenshot")
    assert answer.status_code == status
    assert STATUS["en"][f"say_{said}"] in answer.text
    assert (answer.headers.get("Retry-After") == "60") == (status == 503)
    with world.database.reading() as connection:
        files = evidence.of_case(connection, world.keyring, case.number)
        kinds = [one.kind for one in timeline(connection, case.number)]
    assert [one.scanned for one in files] == (["clean"] if status == 200 else [])
    assert ("evidence.refused" in kinds) == (status == 422)


async def test_a_body_too_large_is_refused_before_it_is_kept(
    world: World, client: httpx.AsyncClient
) -> None:
    """With a pass ten megabytes are taken and no more; without one, no file at all."""
    case = world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    huge = ("a.png", b"\x89PNG" + bytes(10_000_000))
    answer = await page.send("hand", file=("a.png", bytes(FORM_OCTETS)), requirement="screenshot")
    assert answer.status_code == 403
    await page.sign_in()
    answer = await page.send("hand", file=huge, requirement="screenshot")
    assert answer.status_code == 413
    assert STATUS["en"]["say_upload_size"] in answer.text
    assert page.link_pass
    assert world.case(case.number).case.open_items == ("screenshot",)


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
