"""What a tenant hands in on its status page: pictures, words and confirmations."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from gateway.config.clamav import ClamAvSettings
from gateway.records import evidence
from gateway.records.case_view import timeline
from gateway.records.subjects import plain_texts
from gateway.records.tables import audit
from gateway.web.status.form import FORM_OCTETS
from gateway.web.status.texts import STATUS
from policies.sanctions.words import FactKind, Phase
from tests.contract.status.conftest import Page
from tests.contract.status.world import World, changes, picture


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
