"""What strangers write is text on every page of the desk that shows it.

Two desks hold the same records, one with harmless words and one with a hundred payloads in every
field that mail, a form or a file name fills; their pages must have the same elements.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.events import Event
from gateway.feedback.parse import parse
from gateway.journal import encode
from gateway.message.address import parse_mailbox
from gateway.message.message_id import message_id_digest
from gateway.records import evidence
from gateway.records.bounces import Bounced, BounceTerms, take_bounce
from gateway.records.case_replies import Reply, attach
from gateway.records.case_view import find_case
from gateway.records.database import Connection
from gateway.records.evidence import Content
from gateway.records.proofs import supply
from gateway.records.reports import Report, take_report
from gateway.records.subject_requests import RequestKind, record
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft
from gateway.refs import Refs
from gateway.words import Role
from policies.returned.classes import BounceClass
from policies.sanctions.words import Grade
from suppression.consent import Evidence, Level
from suppression.listfile import Row
from suppression.standing import Reason
from tests.contract.markup import HARMLESS, PAYLOADS, difference, outside, tab

if TYPE_CHECKING:
    from conftest import World

ANNA = parse_mailbox("anna@inbox.test")
MESSAGE_ID = "<letter@acme.test>"
Pages = dict[str, str]


def fill(world: World, texts: list[str]) -> tuple[str, str, str]:
    """Put every text into every field; the case, a ref and a proof's number."""
    number = world.open("acme").case.id
    world.index.close()
    refs = Refs(lambda: world.now)
    ref = refs.new()
    events = []
    with world.database.transaction() as connection:
        stored = find_case(connection, number)
        assert stored is not None
        for place, text in enumerate(texts):
            said = f"{place} {text}"
            words = _words(texts, said)
            mail = _mail(said, utf7=text.startswith("+"))
            read = parse(mail)
            reply = Reply(read.mail, read.sender, read.subject, read.text, place % 2 == 1)
            attach(connection, stored, reply, world.now, world.rules)
            report = Report(
                (Grade.B, Grade.C, Grade.D)[place % 3], said, world.now,
                "acme" if place % 3 < 2 else "", "mail", said, "acme.test", ref,
                world.keyring.exact_key(ANNA), ANNA.text, words,
                form=("arf", "other", "")[place % 3], raw=mail, original=_header(texts),
            )  # fmt: skip
            take_report(connection, report, world.rules, world.now)
            if place < evidence.MOST_PER_CASE:
                octets = said.encode()
                digest = hashlib.sha256(octets).digest()
                content = Content("image/png", octets, digest, said, "clean")
                args = (connection, world.keyring, number, "screenshot", content)
                evidence.add(*args, "office@acme.test", world.now)
            events.append(_event(world, ref, said))
            _storm(connection, world, place, said)
        for place in range(0, len(texts), 5):
            said = " ".join(texts[place : place + 5])
            visible = "".join(one for one in said if one.isprintable())
            given = Evidence(
                Level.DOUBLE, "I agree.", world.now - 90 - place, "192.0.2.1", f"https://x/{place}",
                world.now - 60 - place, "192.0.2.1", visible, "",
            )  # fmt: skip
            proof = supply(
                connection, world.keyring, "acme", "offers", ANNA, given, "en", "acme", world.now
            ).proof.number
        record(
            connection, world.keyring, RequestKind.ACCESS, ANNA, "*", texts[0], world.now,
            "staff", world.now,
        )  # fmt: skip
    for place in range(0, len(texts), 10):
        source = f"{place} {' '.join(texts[place : place + 10])}"
        rows = [Row(1, parse_mailbox(f"gone{place}@inbox.test"))]
        draft = Draft(Reason.MANUAL, "*", "operator", source)
        import_suppressions(
            world.database, world.keyring, rows, draft, ListFile(source, "0" * 64), world.now,
            is_scope=bool,
        )  # fmt: skip
    folder = world.folder / "state/journal"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "smtp.jsonl").write_bytes(b"".join(encode(event) for event in events))
    while world.index.advance():
        pass
    return f"C-{number:06d}", ref, proof


def _mail(said: str, *, utf7: bool) -> bytes:
    """A mail that says it wherever a mail says something."""
    line = " ".join(said.split())
    charset = "utf-7" if utf7 else "utf-8"
    return (
        f"From: {line} <office@acme.test>\r\nSubject: {line}\r\nMessage-ID: <{said[:3]}@x>\r\n"
        f"Content-Type: text/plain; charset={charset}\r\n\r\n{said}\r\n"
    ).encode()


def _words(texts: list[str], said: str) -> dict[str, object]:
    """What the intake keeps of a report, with every text in every field."""
    named = dict.fromkeys(("text", "subject", "from", "reporter", "trouble"), " ".join(texts))
    fields = [[text, text] for text in texts]
    tokens = [[text, place % 2 == 1] for place, text in enumerate(texts)]
    more = {"recipients": texts, "fields": fields, "tokens": tokens, "contradicts": True}
    return {**named, **more, said: said}


def _header(texts: list[str]) -> bytes:
    """A header section of ours that says them in a field that is shown."""
    return "\r\n".join(f"Subject: {' '.join(text.split())}" for text in texts).encode()


def _storm(connection: Connection, world: World, place: int, said: str) -> None:
    """A storm, held or decided, with a bounce of Anna's in it."""
    decided = ("release", int(world.now), said, said) if place % 2 else (None,) * 4
    columns = "provider, since, last_at, unknown, sent, decision, decided_at, decided_by, reason"
    connection.exec_driver_sql(
        f"INSERT INTO storms ({columns}) VALUES (?, 1, 1, 25, 30, ?, ?, ?, ?)", (said, *decided)
    )
    bounced = Bounced(
        said, said, said, said, said, said, world.keyring.exact_key(ANNA),
        BounceClass.INVALID_MAILBOX, 550, said, said, world.now, grade=None,
    )  # fmt: skip
    take_bounce(connection, bounced, world.rules, BounceTerms(), world.now)
    change = "UPDATE bounces SET state='held', storm=? WHERE mark=?"
    connection.exec_driver_sql(change, (place + 1, said))


def _event(world: World, ref: str, said: str) -> Event:
    """An event that says it wherever a customer's words are kept."""
    named = {"n": 1, "key": world.keyring.exact_key(ANNA).hex(), "domain": said, "text": said}
    event = Event("message.refused", world.now, ref, ref, "acme", "acme/mail", said, "c" * 12)
    event.tag, event.domain = "POLICY", said
    event.detail = {
        **dict.fromkeys(("from", "client", "hello", "reply", "user_agent", "subject"), said),
        "message_id": message_id_digest(MESSAGE_ID.encode()),
        "recipients": [{**named, "state": said, "code": 550}],
        "trail": {"message": [{"policy": said, "said": said}]},
    }
    return event


async def pages(world: World, case: str, ref: str, proof: str) -> Pages:
    """Every page that shows what was filled in."""
    staff = world.as_(Role.OPERATOR)
    found = {}
    for path in (
        "", "live/queues", "cases", f"cases/{case}", "tenants", "tenants/acme", "blocks", "lists",
        "lists/sources", "consents", f"consents/{proof}", "subjects", "subjects/1", "audit",
        "reports", "reports/1", "reports/2", "reports/3", "storms",
    ):  # fmt: skip
        found[path] = await staff.get(path)
    found["storm asked"] = await staff.post("storms/1/believe")
    for what in (ref, ANNA.text, MESSAGE_ID, "gone70@inbox.test"):
        found[f"look-up of {what}"] = await staff.post("look-up", what=what)
    found["revealed"] = await staff.post("look-up/reveal", what=ANNA.text, reason="asked")
    for number in (1, 2, 3):
        form = {"reason": "asked"}
        found[f"report {number} revealed"] = await staff.post(f"reports/{number}/reveal", **form)
    found["proof revealed"] = await staff.post(f"consents/{proof}/reveal", reason="asked")
    assert {answer.status_code for answer in found.values()} == {200}, found
    return {name: answer.text for name, answer in found.items()}


def test_what_strangers_write_makes_no_element(
    open_world: Callable[[Path], AbstractContextManager[World]], tmp_path: Path
) -> None:
    """A hundred payloads in every field give the elements and attributes of harmless words."""
    assert len(set(PAYLOADS)) >= 100
    made: list[Pages] = []
    for name, texts in (("plain", HARMLESS), ("marked", PAYLOADS)):
        (tmp_path / name).mkdir()
        with open_world(tmp_path / name) as world:
            filled = fill(world, texts)
            made.append(outside(pages(world, *filled)))
    plain, marked = made
    shown = 0
    with tab() as page:
        for (name, harmless), text in zip(plain.items(), marked.values(), strict=True):
            assert difference(page, harmless, text) is None, name
            shown += "&lt;script" in text
    assert shown >= 11, "the payloads stand on too few pages to prove anything"
