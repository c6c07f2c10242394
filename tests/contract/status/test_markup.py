"""What strangers and other customers' software write is text on the status pages.

One tenant's records hold harmless words, the other's a hundred payloads wherever mail fills them;
each sees only its own, and both pages must have the same elements.
"""

from __future__ import annotations

import httpx

from gateway.events import Event
from gateway.journal import encode
from gateway.records.case_change import change
from gateway.records.cases import take_fact
from gateway.records.reports import Report, take_report
from gateway.refs import Refs
from policies.sanctions.case import Counts, Fact, Noticed
from policies.sanctions.words import FactKind, Grade, NoticeKind
from suppression.case_links import NO_CASE
from tests.contract.markup import HARMLESS, PAYLOADS, difference, outside, tab
from tests.contract.status.world import BASE, World


def fill(world: World, tenant: str, texts: list[str]) -> bytes:
    """One case with every text in its mailing, and reports of people with such addresses."""
    rules, now = world.house.rules, world.now
    domain, mailing = f"{tenant}.test", " ".join(texts)
    with world.database.transaction() as connection:
        fact = Fact(FactKind.SPAM, tenant, "mail", mailing, domain, b"", "", now, domains=(domain,))
        taken = take_fact(connection, fact, Counts(), rules, now)
        assert taken.case is not None
        number = taken.case.id
        for place, text in enumerate(texts):
            key = place.to_bytes(8) + tenant.encode().ljust(8)
            report = Report(
                Grade.B, f"{place} {text}", now, tenant, "mail", mailing, domain, "", key,
                f"{place} {text} anna@inbox.test", {"text": text},
            )  # fmt: skip
            take_report(connection, report, rules, now)
        change(connection, number, Noticed(NoticeKind.OPENED), "notices", now, rules)
    return world.case(number).tracking


def event(refs: Refs, tenant: str, at: float, said: str) -> Event:
    """A refusal that says it wherever a customer's words are kept."""
    found = Event("message.refused", at, "", refs.new(), tenant, f"{tenant}/mail", said, "c" * 12)
    found.tag, found.domain = "POLICY", said
    found.detail = dict.fromkeys(("from", "client", "reply", "text", "hello"), said)
    return found


async def shown(app: object, path: str) -> str:
    """The page there."""
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return answer.text


def test_what_strangers_write_makes_no_element(world: World, app: object) -> None:
    """A hundred payloads give the elements and attributes of harmless words."""
    filled = {"acme": HARMLESS, "beta": PAYLOADS}
    paths = {}
    refs = Refs(lambda: world.now)
    lines = []
    for tenant, texts in filled.items():
        tracking = fill(world, tenant, texts)
        paths[tenant] = (world.link(tenant, tracking), world.link(tenant, NO_CASE))
        lines += [encode(event(refs, tenant, world.now, f"{n} {t}")) for n, t in enumerate(texts)]
    folder = world.loaded.config.state_dir / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "smtp.jsonl").write_bytes(b"".join(lines))
    while world.index.advance():
        pass
    with tab() as page:
        for plain, marked in zip(*paths.values(), strict=True):
            text = outside(shown(app, marked))
            assert "&lt;script" in text, marked
            assert difference(page, outside(shown(app, plain)), text) is None
