"""A mailing of a thousand goes out, and what comes back reaches exactly those whom it is about."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from suppression.tokens import Purpose
from tests.e2e.certificates import Certificates
from tests.e2e.complaints import (
    LISTED,
    UNSIGNED,
    Shape,
    flip,
    full,
    replace_trace,
    signed,
    without_tokens,
)
from tests.e2e.feedback_house import (
    CLOSED,
    DEAD,
    FULL,
    MAILING,
    NOBODY,
    OFFICE,
    READERS,
    SENDER,
    SLOW,
    STORMY,
    STRANGE,
    TAKEN,
    UNKNOWN,
    Coming,
    Entry,
    coming_back,
    send_the_mailing,
)
from tests.e2e.returned_mail import DOMAIN as BACK
from tests.e2e.returned_mail import dsn, plain, report
from tests.e2e.session import Session, letter, wait_until

FBL = f"fbl@{BACK}"
GONE = (*UNKNOWN, *STRANGE, *DEAD)
READER = iter(READERS)
"""Each test takes people of its own."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What there was once all that Postfix returned was settled."""

    entries: set[Entry]
    everything: dict[str, list[tuple[Any, ...]]]
    answers: dict[str, str]
    rates: list[dict[str, Any]]


@pytest.fixture(scope="module")
def coming(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coming]:
    """One house for all tests here, whose mailing is out."""
    with coming_back(tmp_path_factory.mktemp("coming") / "house", certificates) as running:
        send_the_mailing(running)
        yield running


@pytest.fixture(scope="module")
def aftermath(coming: Coming) -> Aftermath:
    """The state before any test has done something."""
    return Aftermath(
        coming.entries(), coming.everything(), coming.answers(MAILING), rates_of(coming)
    )


@pytest.fixture(autouse=True)
def _looked_at_first(aftermath: Aftermath) -> None:
    """Whichever test comes first."""


def rates_of(coming: Coming) -> list[dict[str, Any]]:
    """By mailing and sender domain."""
    by = ("--by", "mailing", "--by", "domain", "--json")
    found: list[dict[str, Any]] = json.loads(coming.run("feedback", "rates", "acme", *by))
    return found


def gained(coming: Coming, work: Callable[[], object]) -> set[Entry]:
    """Who is suppressed after that and was not before."""
    before = coming.entries()
    work()
    after = coming.entries()
    assert before <= after
    return after - before


def change(coming: Coming, work: Callable[[], object]) -> dict[str, int]:
    """By how many rows each table of consequences grew, where anything changed."""
    before = coming.everything()
    work()
    after = coming.everything()
    return {one: len(after[one]) - len(before[one]) for one in before if before[one] != after[one]}


def taken(said: list[str]) -> None:
    """All must be."""
    assert set(said) == {TAKEN}


def test_bounces_of_a_real_postfix_suppress_whom_they_are_about(
    coming: Coming, aftermath: Aftermath
) -> None:
    """Unknown users, full mailboxes and dead domains, and nobody else of the thousand; the rates
    say so, a person is asked to decide, and the tenant was warned."""
    hard = {Entry(one, "acme", "hard_bounce") for one in GONE}
    assert aftermath.entries == hard | {Entry(one, "acme", "soft_bounce") for one in FULL}
    bounced = {*GONE, *FULL}
    assert aftermath.answers == {
        one: "550 5.1.1 [BOUNCED]" if one in bounced else "250 2.1.5" for one in MAILING
    }
    assert Counter(name for _, name, _ in aftermath.everything["bounces"]) == {
        "invalid-mailbox": len(UNKNOWN) + len(STRANGE),
        "dead-domain": len(DEAD),
        "mailbox-full": len(FULL),
    }
    (rate,) = aftermath.rates
    assert (rate["domain"], rate["offered"], rate["delivered"]) == ("acme.test", 1000, 1000)
    assert (rate["hard_bounces"], rate["soft_bounces"]) == (len(GONE), len(FULL))
    assert (rate["complaints"], rate["hard_bounces_read"]) == (0, "over")
    ((_, ladder, phase, counted, facts, domains),) = aftermath.everything["cases"]
    assert (ladder, phase, counted, facts) == ("bounces", "undecided", 0, len(GONE))
    assert json.loads(domains) == ["acme.test"], "the one that the mailing was of"
    assert aftermath.everything["blocks"] == []
    assert [kind for _, kind in aftermath.everything["notices"]] == ["warning"]


def test_complaints_of_five_shapes_count_by_their_grade(coming: Coming) -> None:
    """Each suppresses its recipient at the very next RCPT. Unsigned they wait for a person; signed
    by a listed source they block at 0.3 % of what was delivered, and the tenant hears of all."""
    ((earlier,),) = coming.house.rows("SELECT coalesce(max(id), 0) FROM reports")
    weak = [(shape, next(READER)) for shape in UNSIGNED for _ in range(2)]

    def complain() -> None:
        mails = (shape(one.partition("@")[0], coming.header(one), one) for shape, one in weak)
        taken(coming.mail(FBL, *mails))

    before = coming.everything()
    found = gained(coming, complain)
    assert found == {Entry(one, "acme", "complaint") for _, one in weak}
    after = coming.everything()
    assert all(before[one] == after[one] for one in ("cases", "facts", "blocks", "notices"))
    assert set(coming.answers([one for _, one in weak]).values()) == {"550 5.7.1 [COMPLAINT]"}
    waiting = ("report", "list", "--tenant", "acme", "--state", "waiting", "--json")
    own = [row for row in json.loads(coming.run(*waiting)) if row["report"] > earlier]
    assert [row["grade"] for row in own] == ["B"] * len(weak)

    strong = [next(READER) for _ in range(3)]
    for number, one in enumerate(strong, 1):
        with Session(coming.house.open, "acme/weekly") as session:
            assert session.mail(SENDER).code == 250, "not yet"
        octets = signed(full(f"strong-{number}", coming.header(one), one))
        taken(coming.mail(FBL, octets))
        assert coming.answers([one]) == {one: "550 5.7.1 [COMPLAINT]"}
    with Session(coming.house.open, "acme/weekly") as session:
        assert session.mail(SENDER).short == "550 5.7.1 [DOMAIN-BLOCKED]"
    assert change(coming, lambda: taken(coming.mail(FBL, octets))) == {}, "the same once more"

    ((number, state),) = coming.house.rows(
        "SELECT id, state FROM cases WHERE ladder='complaints' AND tenant='acme'"
    )
    case = json.loads(state)
    assert (case["phase"], case["blocked"], case["domains"]) == ("open", True, ["acme.test"])
    blocks = coming.house.rows("SELECT case_id, domain, actor FROM blocks WHERE lifted_at IS NULL")
    assert blocks == [(number, "acme.test", "gateway")]
    total = sum(rate["complaints"] for rate in rates_of(coming))
    assert total >= len(weak) + len(strong)

    (blocked,) = wait_until(lambda: _told(coming, "case.blocked"))
    grades = {"B": len(weak), "A": len(strong)}
    wait_until(lambda: _grades(coming, earlier) == grades)
    assert all(call.is_signed() for call in tuple(coming.receiver.calls))
    assert blocked["domains"] == ["acme.test"]
    subject = f"[C-{number:06d}] "
    wait_until(lambda: _subjects(coming, subject))

    counted = own[0]["report"]
    coming.run("report", "decide", str(counted), "count", "--reason", "seen", "--by", "ewa")
    facts = f"SELECT grade, actor FROM facts WHERE case_id={number} ORDER BY id"
    assert coming.house.rows(facts) == [("A", "gateway")] * 3 + [("B", "ewa")]


def _told(coming: Coming, kind: str) -> list[dict[str, Any]]:
    said = [call.said for call in tuple(coming.receiver.calls)]
    return [one["data"] for one in said if one["type"] == kind]


def _grades(coming: Coming, earlier: int) -> Counter[str]:
    """Of the reports after `earlier` that the tenant was told of."""
    told = _told(coming, "report.received")
    return Counter(one["grade"] for one in told if one["report"] > earlier)


def _subjects(coming: Coming, start: str) -> bool:
    """Whether the tenant's office has that mail about its blocked domain."""
    mails = (coming.postfix.folder / "mail" / OFFICE / "new").glob("*")
    return any(
        f"Subject: {start}" in text and "acme.test" in text
        for text in (mail.read_text() for mail in mails)
    )


def test_reports_without_our_token_reach_nobody(coming: Coming) -> None:
    """Neither without any, nor with forged ones or one of another tenant's, though a listed source
    has signed them: they are unmatched, and those that a Message-ID or an address names wait."""
    shapes: tuple[Shape, ...] = (full, *UNSIGNED)
    unmatched: list[bytes] = []
    weak: list[bytes] = []
    for number, shape in enumerate(shapes):
        one = next(READER)
        header = coming.header(one)

        def made(kind: str, changed: str, stated: str, shape: Shape = shape) -> bytes:
            octets = shape(f"{kind}-{number}", changed, stated)  # noqa: B023 - used at once
            return signed(octets) if shape is full else octets

        bare = re.sub(r"(?m)^Message-ID: .*\n", "", without_tokens(header))
        nobody = "somebody@elsewhere.test"
        of_beta = coming.token(Purpose.FEEDBACK, one, "beta")
        a_forged = replace_trace(header, flip(coming.token(Purpose.FEEDBACK, one)))
        unmatched += [
            made("bare", bare.replace(one, nobody), nobody),
            made("forged", flip(header), one),
            made("one-forged", a_forged, one),
            made("betas", replace_trace(header, of_beta), one),
        ]
        weak.append(made("weak", without_tokens(header), one))
    grade_c, grade_d = (f'consentry_reports_total{{grade="{one}",type="abuse"}}' for one in "CD")
    before = (coming.measured(grade_c), coming.measured(grade_d), _unmatched(coming))

    assert change(coming, lambda: taken(coming.mail(FBL, *unmatched, *weak))) == {}
    assert _unmatched(coming) == before[2] + len(unmatched)
    wait_until(lambda: coming.measured(grade_c) == before[0] + len(weak))
    wait_until(lambda: coming.measured(grade_d) == before[1] + len(unmatched))


def _unmatched(coming: Coming) -> int:
    """How many a person finds in the list."""
    listed = ("report", "list", "--state", "unmatched", "--limit", "1000", "--json")
    return len(json.loads(coming.run(*listed)))


def test_whoever_signs_unlisted_blocks_nobody(coming: Coming) -> None:
    """Our token suppresses its recipient; without a good signature of a listed source that is all.
    One of another tenant's reaches that tenant's recipient, and not the one that is stated."""
    plainly, strangely, brokenly = (next(READER) for _ in range(3))
    stated, own = next(READER), next(READER)
    mails = [
        full("plainly", coming.header(plainly), plainly),
        signed(full("strangely", coming.header(strangely), strangely), "isp.test"),
        signed(full("brokenly", coming.header(brokenly), brokenly)) + b"More.\r\n",
        report(
            "betas", f"Consentry-Trace: {coming.token(Purpose.FEEDBACK, own, 'beta')}",
            recipient=stated,
        ),
    ]  # fmt: skip
    changed: dict[str, int] = {}
    found = gained(
        coming, lambda: changed.update(change(coming, lambda: taken(coming.mail(FBL, *mails))))
    )
    assert found == {
        *(Entry(one, "acme", "complaint") for one in (plainly, strangely, brokenly)),
        Entry(own, "beta", "complaint"),
    }
    assert changed.keys().isdisjoint({"cases", "facts", "blocks", "notices", "fees"})
    assert coming.answers([stated]) == {stated: "250 2.1.5"}


def test_bounces_without_our_token_reach_nobody(coming: Coming) -> None:
    """A real one that Postfix sent to the customer, forged ones, and one to another's path."""
    gone, one = "nobody-knows@crowd.test", next(READER)
    header = coming.header(one)
    with Session(coming.house.open, "beta/mail") as session:
        assert session.send("news@beta.test", [UNKNOWN[0]], letter("news@beta.test")).code == 250
    real = wait_until(
        lambda: next((m.raw for m in coming.mx.messages if "news@beta.test" in m.recipients), b"")
    )
    assert b"unknown user" in real
    stripped = re.sub(rb"[a-z2-7]{52}", b"", real)
    before = _unmatched(coming)

    def work() -> None:
        taken(coming.mail(FBL, stripped, dsn("f1", one, original=flip(header)), sender=""))
        taken(coming.mail(f"abuse@{BACK}", dsn("f2", one), dsn("f3", gone), sender=""))
        betas = f"bounce+{coming.token(Purpose.RETURN_PATH, one, 'beta')}@{BACK}"
        taken(coming.mail(betas, dsn("f4", one, original=header), sender=""))
        forged = flip(coming.return_path(one))
        assert coming.mail(forged, dsn("f5", one), sender="") == [NOBODY]

    assert change(coming, work) == {}
    assert _unmatched(coming) - before == 5


def test_what_is_late_automatic_or_kind_changes_nothing(coming: Coming) -> None:
    """Delay notices of a real Postfix, vacation notes, riddles, not-spam and auth-failure."""
    before = _told_of_delay(coming)
    away, riddle, liked, unsigned, failed = people = [next(READER) for _ in range(5)]
    trace = {one: f"Consentry-Trace: {coming.token(Purpose.FEEDBACK, one)}" for one in people}

    def work() -> None:
        with Session(coming.house.open, "beta/back") as session:
            said = session.send("back@beta.test", SLOW, letter("back@beta.test"))
            assert said.code == 250
        note = plain("away", "I am away until Monday.", away, "Auto-Submitted: auto-replied\n")
        taken(coming.mail(coming.return_path(away), note, sender=""))
        asks = plain("riddle", "Please confirm.", riddle, "X-Delivery-Agent: TMDA/1.1.12\n")
        taken(coming.mail(coming.return_path(riddle), asks, sender=riddle))
        mails = [
            signed(report("liked", trace[liked], kind="not-spam", sender=f"fbl@{LISTED}")),
            report("unsigned", trace[unsigned], kind="not-spam"),
            signed(report("failed", trace[failed], kind="auth-failure", sender=f"fbl@{LISTED}")),
        ]
        taken(coming.mail(FBL, *mails))
        wait_until(lambda: _told_of_delay(coming) >= before + len(SLOW))

    assert change(coming, work) == {}
    assert set(coming.answers([*people, *SLOW]).values()) == {"250 2.1.5"}


def _told_of_delay(coming: Coming) -> int:
    """How many delay notices of Postfix the gateway has taken."""
    log = coming.postfix.log
    notices = re.findall(r": sender delay notification: (\w+)$", log, re.MULTILINE)
    sent = set(re.findall(r": (\w+): to=<bounce\+[^>]*>,.* status=sent ", log))
    return len(sent.intersection(notices))


def test_a_person_ends_a_storm(coming: Coming) -> None:
    """Many unknown mailboxes of one provider are held; released they are as if they had never come,
    believed they suppress each of them and nobody else."""
    everybody = (*STORMY, *CLOSED)

    def work() -> None:
        for one in everybody:
            taken(coming.mail(coming.return_path(one), dsn(one, one), sender=""))
        held = "SELECT count(*) FROM bounces WHERE state='held'"
        wait_until(lambda: coming.house.rows(held) == [(len(everybody),)])

    assert gained(coming, work) == set()
    assert set(coming.answers(everybody).values()) == {"250 2.1.5"}
    listed = {
        row["provider"]: row for row in json.loads(coming.run("feedback", "storms", "--json"))
    }
    assert {provider: row["held"] for provider, row in listed.items()} == {
        "stormy.test": len(STORMY),
        "closed.test": len(CLOSED),
    }

    def decide() -> None:
        for verb, provider in (("release", "stormy.test"), ("believe", "closed.test")):
            number = str(listed[provider]["storm"])
            coming.run("feedback", verb, number, "--reason", "asked them", "--by", "ewa")
        wait_until(lambda: set(coming.answers(CLOSED).values()) == {"550 5.1.1 [BOUNCED]"})

    assert gained(coming, decide) == {Entry(one, "acme", "hard_bounce") for one in CLOSED}
    assert set(coming.answers(STORMY).values()) == {"250 2.1.5"}
    assert json.loads(coming.run("feedback", "storms", "--json")) == []


def test_a_wish_by_mail_and_a_click_are_one_suppression(coming: Coming) -> None:
    """By the two ways that the copy itself names, in either order."""
    mailed, clicked = next(READER), next(READER)

    def ways(one: str) -> tuple[str, str]:
        said = re.search(r"List-Unsubscribe: <(http\S+)>,\s*<mailto:(\S+)>", coming.header(one))
        assert said
        return said[1], said[2]

    def work() -> None:
        link, mailbox = ways(mailed)
        taken(coming.mail(mailbox, plain("stop", sender=mailed), sender=mailed))
        assert coming.house.unsubscribe(link) == 200
        link, mailbox = ways(clicked)
        assert coming.house.unsubscribe(link) == 200
        taken(coming.mail(mailbox, plain("halt", sender=clicked), sender=clicked))

    found: set[Entry] = set()
    changed = change(coming, lambda: found.update(gained(coming, work)))
    assert found == {Entry(one, "acme/weekly", "unsubscribe") for one in (mailed, clicked)}
    assert changed["suppressions"] == 2
    assert set(coming.answers([mailed, clicked]).values()) == {"550 5.7.1 [UNSUB]"}
