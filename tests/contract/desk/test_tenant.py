"""*Tenants* and *Tenant* over real records: what is shown, and what cannot be had just now."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.sender_dns import SenderDnsSettings
from gateway.config.values import Endpoint
from gateway.control import ControlServer
from gateway.processes import SMTP
from gateway.records.case_change import store_fact
from gateway.records.database import Connection
from gateway.records.figures import Figure, add
from gateway.records.windows import WindowRecords
from gateway.sender_dns.check import SenderDns
from gateway.state.table import Bucket
from gateway.web.desk.tenant import size
from gateway.words import Role
from policies.sanctions.case import Fact
from policies.sanctions.words import FactKind
from tests.e2e.name_server import NameServer, txt
from tests.e2e.ports import LOOPBACK

if TYPE_CHECKING:
    from conftest import World

DAY = 86_400


def smtp_socket(world: World) -> Path:
    """Where the process that takes mail answers."""
    return world.loaded.config.state_dir / SMTP.socket


@asynccontextmanager
async def mail_process(world: World, status: object) -> AsyncIterator[None]:
    """Something that answers `status` where the process that takes mail would."""

    async def answer(_request: object) -> object:
        return status

    server = ControlServer(smtp_socket(world), {"status": answer})
    await server.start()
    yield
    await server.close()


async def save(world: World, *buckets: Bucket) -> None:
    """A checkpoint of windows."""
    await WindowRecords(world.database, lambda: world.now).save(buckets, [])


def journal(world: World, *events: dict[str, object]) -> None:
    """The journal with these events, indexed."""
    folder = world.folder / "state/journal"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "smtp.jsonl").open("a") as file:
        for event in events:
            file.write(json.dumps(event) + "\n")
    while world.index.advance():
        pass


async def test_use_is_drawn_and_told(world: World) -> None:
    """Octets and recipients by the hour, the rate, messages, refusals by tag and complaints, each
    as a picture with a title and the figures beside it as text."""
    now = int(world.now)
    await save(
        world,
        Bucket("bytes:charted", DAY, now - 300, 8_000_000_000),
        Bucket("bytes:charted", DAY, now - 7200, 500_000_000),
        Bucket("bytes:charted", DAY, now - DAY - 600, 10**12),
        Bucket("rate:recipients:charted", DAY, now - 3700, 1234),
        Bucket("rate:messages:charted", 3600, now - 60, 321),
    )
    told = {"tenant": "charted", "at": now - DAY, "stream": "mail"}
    journal(
        world,
        *[told | {"kind": "message.relayed"}] * 3,
        *[told | {"kind": "rcpt.refused", "tag": "PROTECTED"}] * 2,
        told | {"kind": "mail.refused", "tag": "BATCH-BUSY"},
        told | {"kind": "message.relayed", "tenant": "acme"},
    )

    def work(connection: Connection) -> None:
        for ago in (0, 2 * DAY, 30 * DAY):
            fact = Fact(FactKind.COMPLAINT, "charted", "mail", "m", "", b"", "", now - ago)
            store_fact(connection, fact, None, None)

    await world.database.write(work)
    answer = await world.as_(Role.AUDITOR).get("tenants/charted")
    said = unescape(answer.text)
    for shown in (
        "8.5 GB of 10.0 GB, 85 %", "8.5 GB in all; most at -0 h: 8.0 GB",
        "1234 in all; most at -1 h: 1234", "321 of 500 messages in 1 h",
        "3 refusals", "<dt>PROTECTED</dt><dd>2</dd>", "<dt>BATCH-BUSY</dt><dd>1</dd>",
        "2 in all", "does not answer",
    ):  # fmt: skip
        assert shown in said, shown
    day = datetime.fromtimestamp(now - DAY, UTC)
    assert f"<dt>{day:%Y-%m-%d}</dt><dd>3</dd>" in said
    charts = re.findall(r'(?s)<svg class="chart" role="img".*?</svg>', answer.text)
    assert len(charts) == 6
    for chart in charts:
        title, told_id = re.search(r'aria-labelledby="(\S+) (\S+)"', chart).groups()  # type: ignore[union-attr]
        assert f'<title id="{title}">' in chart
        assert f'<desc id="{told_id}">' in chart
        assert "style=" not in chart
    assert 'class="bar warn"' in charts[0]


async def test_what_came_back_is_drawn_by_stream_mailing_and_domain(world: World) -> None:
    """Rates are coloured where the standard preset warns or blocks, and not told of too little
    mail; what a postmaster tool names by its identifiers stands beside them, in both languages."""

    def work(connection: Connection) -> None:
        for mailing, stream, domain, delivered, complaints, bounced in (
            ("m-good", "weekly", "good.example", 5_000, 1, 20),
            ("m-warned", "weekly", "good.example", 2_000, 3, 80),
            ("m-bad", "news", "bad.example", 1_000, 3, 250),
            ("m-few", "news", "bad.example", 100, 50, 50),
            ("m-old", "weekly", "good.example", 9_999, 0, 0),
        ):
            at = world.now - (60 if mailing == "m-old" else 1) * DAY
            for what, amount in (
                (Figure.OFFERED, delivered + bounced),
                (Figure.DELIVERED, delivered),
                (Figure.COMPLAINT, complaints),
                (Figure.HARD_BOUNCE, bounced),
            ):
                add(connection, at, "gamma", stream, mailing, domain, what, amount)

    await world.database.write(work)
    client = world.as_(Role.AUDITOR)
    page = (await client.get("tenants/delta")).text
    assert "No mail went out" in page
    said = unescape((await client.get("tenants/gamma")).text)
    chart = {
        name: re.search(rf'(?s)<svg[^>]*"{name}-t {name}-d">.*?</svg>', said)[0]  # type: ignore[index]
        for name in ("complaint-mailing", "bounce-mailing", "complaint-domain", "bounce-stream")
    }
    mailings = chart["complaint-mailing"]
    assert mailings.count('class="bar"') == 2  # in order, and too few
    assert mailings.count('class="bar warn"') == mailings.count('class="bar bad"') == 1
    for shown in ("0.02 %", "0.15 %", "0.30 %", "too few"):
        assert shown in mailings
    assert "57 of 8100" in mailings
    assert 'class="bar bad"' in chart["bounce-mailing"]
    assert "20.00 %" in chart["bounce-mailing"]
    assert "m-old" not in said
    row = re.search(r"(?s)<th[^>]*>m-bad</th>.*?</tr>", said)[0]  # type: ignore[index]
    assert re.findall(r"<td[^>]*>(?:<span>)?([^<]+)", row) == [
        "news", "1250", "1000", "3 (0.30 %)", "250 (20.00 %)", "0 (0.00 %)",
    ]  # fmt: skip
    assert (
        "Skargi według wysyłek" in (await world.as_(Role.AUDITOR, "pl").get("tenants/gamma")).text
    )


async def test_the_process_that_takes_mail_is_asked(world: World) -> None:
    """What is in flight and in line comes from it; what it does not say, or says wrongly, is
    unknown."""
    client = world.as_(Role.ABUSE)
    status = {"bytes_24h": {"acme": 9_900_000_000}, "batches": {"acme": {"open": 1, "waiting": 4}}}
    async with mail_process(world, status):
        page = (await client.get("tenants/acme")).text
        assert "1 open, 4 waiting, 1 allowed at a time" in page
        assert "9.9 GB of 10.0 GB, 99 %" in page
        assert 'class="bar bad"' in page
        assert "0 open, 0 waiting" not in (await client.get("tenants/beta")).text
    for wrong in ([], {"bytes_24h": 7}, {"bytes_24h": {"acme": "x"}}):
        async with mail_process(world, wrong):
            assert "unknown (1)" in (await client.get("tenants/acme")).text


async def test_a_process_that_says_nothing_holds_nobody_up(world: World) -> None:
    """The page comes without it."""
    silent = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_unix_server(hang, smtp_socket(world))
    page = (await world.as_(Role.ABUSE).get("tenants/acme")).text
    assert "does not answer" in page
    silent.set()
    server.close()
    await server.wait_closed()
    smtp_socket(world).unlink(missing_ok=True)


async def test_no_index_is_said(world: World) -> None:
    """Without the journal's index the page comes all the same."""
    index = world.index
    world.index = type(index)(world.folder / "nothing", world.folder / "nothing.sqlite")
    try:
        page = (await world.as_(Role.ABUSE).get("tenants/beta")).text
    finally:
        world.index = index
    assert "index is not there" in page


async def test_everything_on_record_stands_on_the_page(world: World) -> None:
    """Ladders with what the next violation brings, cases, blocks, fees, contacts, streams and
    confirmations, with links; strangers' words are text."""
    first = world.open("delta").case
    page = (await world.as_(Role.AUDITOR, "pl").get("tenants/delta")).text
    said = unescape(page)
    for shown in (
        "krok S2, 1: blokada domeny nadawczej, najwyżej 15 d", "office@delta.test (pl)",
        "ostatnio potwierdzony 2026-05-04", "filters <b>mail</b>", "Own <terms>",
        "Firma delta <&>", f"../cases/C-{first.id:06d}", "../cases?tenant=delta", "zapytania",
    ):  # fmt: skip
        assert shown in said, shown
    assert "<b>mail" not in page
    assert "new-case" not in page
    assert "new-case?tenant=delta" in (await world.as_(Role.ABUSE).get("tenants/delta")).text


async def test_the_list_of_tenants(world: World) -> None:
    """Each with its state and what runs against it; one that has left is known by its cases."""
    world.open("beta")
    page = (await world.as_(Role.AUDITOR).get("tenants")).text
    assert all(f'href="./tenants/{name}"' in page for name in ("acme", "beta", "gamma"))
    gone = replace(world.loaded, tenants={"acme": world.loaded.tenants["acme"]})
    known, world.loaded = world.loaded, gone
    try:
        client = world.as_(Role.AUDITOR)
        assert 'href="./tenants/beta"' in (await client.get("tenants")).text
        left = await client.get("tenants/beta")
        assert left.status_code == HTTPStatus.OK
        assert "has left the configuration" in left.text
        assert (await client.get("tenants/beta/dns")).status_code == HTTPStatus.NOT_FOUND
    finally:
        world.loaded = known
    for wrong in ("nobody", "a%00b", "<b>", "*"):
        assert (await client.get(f"tenants/{wrong}")).status_code == HTTPStatus.NOT_FOUND


async def test_the_dns_is_a_page_and_a_part(world: World) -> None:
    """Each domain with every finding; a part for script, a page of its own without."""
    client = world.as_(Role.AUDITOR)
    page = (await client.get("tenants/acme")).text
    assert 'hx-get="../tenants/acme/dns"' in page
    assert '<a class="button second" href="../tenants/acme/dns">' in page
    with NameServer({("acme.test", "TXT"): [txt("v=spf1 <b> -all")]}) as server:
        asks = SenderDnsSettings(resolvers=(Endpoint(LOOPBACK, server.port),), patience=20)
        world.dns = SenderDns(asks)
        whole = (await client.get("tenants/acme/dns")).text
        part = (await client.get("tenants/acme/dns", hx=True)).text
    world.dns = None
    assert "<html" in whole
    assert "<html" not in part
    for text in (whole, part):
        assert re.findall(r"<h[23] id=.dns-\d.>([^<]+)", text) == ["acme.test", "shop.acme.test"]
        assert "There is a fault at `&lt;b&gt;`" in text
        assert text.count("The domain sends unsigned.") == 2
        assert "<b>" not in text


async def test_dns_that_does_not_answer_is_unknown(world: World) -> None:
    """Nobody there: every finding that needs an answer says so, in the reader's language."""
    page = (await world.as_(Role.ABUSE, "pl").get("tenants/acme/dns")).text
    assert page.count("Żaden serwer nazw nie odpowiedział na czas.") == 6


def test_sizes_are_written_as_people_read_them() -> None:
    """In decimal units, as limits are configured."""
    assert [size(one) for one in (0, 999, 1000, 26_214_400, 10**10, 10**16)] == [
        *("0 B", "999 B", "1.0 kB", "26.2 MB", "10.0 GB", "10000.0 TB"),
    ]
