"""What a tenant's status page keeps: evidence, mailed codes, and addresses deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from gateway.config.retention import RetentionSettings
from gateway.records import deletions, evidence, mailed_codes, use
from gateway.records.audit_search import search
from gateway.records.case_store import Clocks, insert_case
from gateway.records.database import Database
from gateway.records.evidence import Content
from gateway.records.mailed_codes import DIGITS, HOUR, PER_HOUR, SECONDS, TRIES, Outcome
from gateway.records.retention import purge
from gateway.records.subjects import DESTROYED, add_subject
from gateway.records.tables import evidence as evidence_table
from gateway.records.tables import facts, reports, subject_secrets, windows
from gateway.records.tables import mailed_codes as codes_table
from gateway.state.table import WindowTable
from policies.sanctions.case import Case
from policies.sanctions.words import FactKind, Phase
from suppression.keys import Keyring
from tests.contract.records.places import octets

NOW = 1_800_000_000.0
PICTURE = b"\x89PNG picture of a list" * 50
CONTENT = Content(
    "image/png", PICTURE, sha256(PICTURE).digest(), "lista jan@example.org.png", "clean"
)

CASE = Case(0, "acme", "S", "S1", "", "", Phase.CLOSED, NOW, closed_at=NOW)


# ---- evidence -----------------------------------------------------------------------------------


def test_evidence_is_read_back_and_lies_sealed(database: Database, keyring: Keyring) -> None:
    """Name and content come out for its own case; neither stands in the file in clear."""
    with database.transaction() as connection:
        number = evidence.add(connection, keyring, 7, "screenshot", CONTENT, "acme:status", NOW)
    with database.reading() as connection:
        (found,) = evidence.of_case(connection, keyring, 7)
        assert evidence.content_of(connection, keyring, 7, number) == PICTURE
        assert evidence.of_case(connection, keyring, 8) == []
        with pytest.raises(LookupError):
            evidence.content_of(connection, keyring, 8, number)
        stored = connection.execute(select(evidence_table.c.content)).scalar_one()
    assert (found.name, found.octets, found.digest) == (CONTENT.name, len(PICTURE), CONTENT.digest)
    assert PICTURE not in stored
    lying = octets(database)
    assert b"picture of a list" not in lying
    assert b"lista jan" not in lying


def test_destroyed_evidence_is_gone(database: Database, keyring: Keyring) -> None:
    """Without its secret neither name nor content is had; `destroy_of` leaves no row either."""
    with database.transaction() as connection:
        numbers = [
            evidence.add(connection, keyring, case, "screenshot", CONTENT, "acme:status", NOW)
            for case in (7, 8)
        ]
        connection.execute(update(subject_secrets).values(secret=DESTROYED))
        assert evidence.of_case(connection, keyring, 7)[0].name == ""
        with pytest.raises(LookupError):
            evidence.content_of(connection, keyring, 7, numbers[0])
        assert evidence.destroy_of(connection, [7]) == 1
        assert evidence.of_case(connection, keyring, 7) == []
        assert len(evidence.of_case(connection, keyring, 8)) == 1


def test_a_case_has_so_many_files_and_no_more(database: Database, keyring: Keyring) -> None:
    """One case cannot fill the disk; another is not held up by it."""
    with database.transaction() as connection:
        for _ in range(evidence.MOST_PER_CASE):
            evidence.add(connection, keyring, 7, "screenshot", CONTENT, "acme:status", NOW)
        with pytest.raises(evidence.TooMany):
            evidence.add(connection, keyring, 7, "screenshot", CONTENT, "acme:status", NOW)
        evidence.add(connection, keyring, 8, "screenshot", CONTENT, "acme:status", NOW)


def test_text_and_content_of_one_secret_share_no_key(keyring: Keyring) -> None:
    """The same octets under the same secret give unlike ciphertexts: no key serves twice."""
    sealed = keyring.seal("x" * 64)
    data = keyring.seal_content(sealed.secret, b"x" * 64)
    assert data != sealed.data
    assert keyring.open_content(sealed.secret, data) == b"x" * 64
    with pytest.raises(ValueError, match="does not open"):
        keyring.open_content(sealed.secret, sealed.data)
    with pytest.raises(ValueError, match="does not open"):
        keyring.open_content(keyring.seal("y").secret, data)


# ---- codes --------------------------------------------------------------------------------------


def test_a_code_counts_once_for_its_tenant_and_case(database: Database, keyring: Keyring) -> None:
    """Blanks do not matter; another tenant's or case's page does not take it, nor a second try."""
    with database.transaction() as connection:
        code = mailed_codes.issue(connection, keyring, "acme", 7, NOW)
        assert len(code) == DIGITS

        def enter(tenant: str, case: int | None) -> Outcome:
            shown = f" {code[:4]} {code[4:]} "
            return mailed_codes.enter(connection, keyring, tenant, case, shown, NOW + 60)

        assert enter("other", 7) is Outcome.OVER
        assert enter("acme", 8) is Outcome.OVER
        assert enter("acme", None) is Outcome.OVER
        assert enter("acme", 7) is Outcome.RIGHT
        assert enter("acme", 7) is Outcome.OVER
        stored = connection.execute(select(codes_table.c.digest)).scalar_one()
    assert code.encode() not in stored


def test_a_code_ends_with_its_time(database: Database, keyring: Keyring) -> None:
    """One second before it is good, at its end it is over."""
    with database.transaction() as connection:
        codes = [mailed_codes.issue(connection, keyring, "acme", None, NOW) for _ in range(2)]
        late = NOW + SECONDS
        early = mailed_codes.enter(connection, keyring, "acme", None, codes[0], late - 1)
        assert early is Outcome.RIGHT
        assert mailed_codes.enter(connection, keyring, "acme", None, codes[1], late) is Outcome.OVER


def test_five_wrong_tries_end_every_open_code(database: Database, keyring: Keyring) -> None:
    """The right one does not help any more, a new one does; another tenant's stays good."""
    with database.transaction() as connection:
        code = mailed_codes.issue(connection, keyring, "acme", 7, NOW)
        others = mailed_codes.issue(connection, keyring, "other", 7, NOW)
        wrong = f"{(int(code) + 1) % 10**DIGITS:0{DIGITS}}"
        for _ in range(TRIES):
            tried = mailed_codes.enter(connection, keyring, "acme", 7, wrong, NOW)
            assert tried is Outcome.WRONG
        assert mailed_codes.enter(connection, keyring, "acme", 7, code, NOW) is Outcome.OVER
        again = mailed_codes.issue(connection, keyring, "acme", 7, NOW)
        assert mailed_codes.enter(connection, keyring, "acme", 7, again, NOW) is Outcome.RIGHT
        assert mailed_codes.enter(connection, keyring, "other", 7, others, NOW) is Outcome.RIGHT


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_nothing_but_the_code_is_right(database: Database, keyring: Keyring, text: str) -> None:
    """Whatever is typed in: signs of other scripts are no digits, and none gives nothing away."""
    try:
        with database.transaction() as connection:
            code = mailed_codes.issue(connection, keyring, "acme", 7, NOW)
            tried = mailed_codes.enter(connection, keyring, "acme", 7, text, NOW)
            assert (tried is Outcome.RIGHT) == (
                "".join(c for c in text if c in "0123456789") == code
            )
            raise _Undone
    except _Undone:
        pass


class _Undone(Exception):
    """Leaves nothing of an example."""


def test_so_many_codes_an_hour_and_no_more(database: Database, keyring: Keyring) -> None:
    """Nobody is flooded with mail; a code that never left does not count; an hour later there is
    room again, as said."""
    with database.transaction() as connection:
        lost = mailed_codes.issue(connection, keyring, "acme", 7, NOW)
        mailed_codes.forget(connection, keyring, "acme", 7, lost)
        for case in range(PER_HOUR):
            mailed_codes.issue(connection, keyring, "acme", case + 1, NOW + case)
        with pytest.raises(mailed_codes.TooMany) as refusal:
            mailed_codes.issue(connection, keyring, "acme", None, NOW + 60)
        assert refusal.value.seconds == HOUR - 60 + 1
        mailed_codes.issue(connection, keyring, "other", None, NOW + 60)
        mailed_codes.issue(connection, keyring, "acme", None, NOW + 60 + refusal.value.seconds)


def test_codes_leave_a_trail_without_the_code(database: Database, keyring: Keyring) -> None:
    """Asked for, wrong and used: each is in the audit trail, and no code is."""
    with database.transaction() as connection:
        code = mailed_codes.issue(connection, keyring, "acme", 7, NOW)
        mailed_codes.enter(connection, keyring, "acme", 7, "0", NOW)
        mailed_codes.enter(connection, keyring, "acme", 7, code, NOW)
    with database.reading() as connection:
        found = list(search(connection))
    assert [one.action for one in found if one.action.startswith("code.")] in (
        ["code.issued", "code.wrong", "code.used"],
        ["code.used", "code.wrong", "code.issued"],
    )
    assert code not in repr(found)


def test_what_was_handed_in_goes_with_its_case(database: Database, keyring: Keyring) -> None:
    """Evidence with its sealed name and secret, codes after a day, deletions with the facts; what
    belongs to a case on record stays."""
    jan = complain(database, keyring, "acme", "jan@example.org", NOW)
    with database.transaction() as connection:
        kept = insert_case(connection, CASE, Clocks(None, 100)).id
        for case in (kept, kept + 1):
            evidence.add(connection, keyring, case, "screenshot", CONTENT, "acme:status", NOW)
        mailed_codes.issue(connection, keyring, "acme", 7, NOW)
        deletions.acknowledge(connection, "acme", [jan], "acme:status", NOW)
    settings = RetentionSettings()
    early = purge(database, settings, NOW + 86_000, "consentry")
    assert {early[name] for name in ("evidence", "mailed_codes", "deletions")} == {0}
    late = NOW + 20 * 365 * 86_400
    done = purge(database, settings, late, "consentry")
    # The one case goes now, as does what belonged to one that had gone before.
    assert (done["cases"], done["evidence"]) == (1, 2)
    assert (done["mailed_codes"], done["deletions"]) == (1, 1)
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(evidence_table)) == 0
        assert connection.scalar(select(func.count()).select_from(subject_secrets)) == 0


def test_evidence_of_a_case_on_record_stays(database: Database, keyring: Keyring) -> None:
    """However old it is: the case is still held against the tenant."""
    late = NOW + 20 * 365 * 86_400
    with database.transaction() as connection:
        running = replace(CASE, phase=Phase.OPEN, closed_at=None)
        kept = insert_case(connection, running, Clocks(None, 100)).id
        evidence.add(connection, keyring, kept, "screenshot", CONTENT, "acme:status", NOW)
    assert purge(database, RetentionSettings(), late, "consentry")["evidence"] == 0
    with database.reading() as connection:
        assert len(evidence.of_case(connection, keyring, kept)) == 1


# ---- addresses to delete ------------------------------------------------------------------------


def complain(database: Database, keyring: Keyring, tenant: str, address: str, at: float) -> bytes:
    """A complaint's fact as the records hold it; the key."""
    key = sha256(address.encode()).digest()[:16]
    row = {
        "kind": FactKind.COMPLAINT.value,
        "tenant": tenant,
        "stream": "weekly",
        "mailing": "m",
        "domain": f"{tenant}.test",
        "key": key,
        "ref": "",
        "at": int(at),
        "actor": "gateway",
    }
    with database.transaction() as connection:
        subject = add_subject(connection, keyring.seal(address))
        connection.execute(insert(facts), {**row, "subject": subject})
    return key


def test_complainers_are_the_tenants_own_and_each_once(
    database: Database, keyring: Keyring
) -> None:
    """Two complaints of one person are one line; another tenant's are not listed; one who was
    erased stands without an address."""
    jan = complain(database, keyring, "acme", "jan@example.org", NOW)
    complain(database, keyring, "acme", "jan@example.org", NOW + 5)
    ewa = complain(database, keyring, "acme", "ewa@example.org", NOW + 9)
    complain(database, keyring, "other", "adam@example.org", NOW)
    with database.transaction() as connection:
        found = deletions.complainers(connection, keyring, "acme")
        assert [(one.key, one.address, one.complained_at) for one in found] == [
            (ewa, "ewa@example.org", int(NOW + 9)),
            (jan, "jan@example.org", int(NOW + 5)),
        ]
        connection.execute(update(subject_secrets).values(secret=DESTROYED))
        assert {one.address for one in deletions.complainers(connection, keyring, "acme")} == {""}


def test_a_deletion_is_noted_once_and_for_own_complainers_only(
    database: Database, keyring: Keyring
) -> None:
    """Strangers' keys and other tenants' are passed over; who is noted does not wait any more."""
    jan = complain(database, keyring, "acme", "jan@example.org", NOW)
    ewa = complain(database, keyring, "acme", "ewa@example.org", NOW)
    adam = complain(database, keyring, "other", "adam@example.org", NOW)
    with database.transaction() as connection:
        keys = [jan, jan, adam, bytes(16)]
        assert deletions.acknowledge(connection, "acme", keys, "acme:status", NOW) == 1
        assert deletions.acknowledge(connection, "acme", keys, "acme:status", NOW) == 0
        waiting = deletions.complainers(connection, keyring, "acme", waiting=True)
        assert [one.key for one in waiting] == [ewa]
        every = deletions.complainers(connection, keyring, "acme")
        assert {one.key: one.deleted_at for one in every} == {ewa: None, jan: int(NOW)}
        assert len(deletions.complainers(connection, keyring, "other", waiting=True)) == 1


def test_who_complained_by_our_own_link_is_to_be_deleted_at_once(
    database: Database, keyring: Keyring
) -> None:
    """A report of grade B that waits for a person stops mail already, so the tenant may know of it
    and delete; one of grade C, or dismissed, is nobody's to know."""
    row = {"received_at": int(NOW), "source": "page", "stream": "", "mailing": "", "ref": ""}
    keys = {}
    with database.transaction() as connection:
        for name, grade, state in (
            ("b", "B", "waiting"),
            ("c", "C", "waiting"),
            ("d", "B", "dismissed"),
        ):
            said = json.dumps({"address": f"{name}@example.org", "said": {}})
            keys[name] = name.encode() * 16
            report = {"tenant": "acme", "grade": grade, "state": state, "key": keys[name]}
            report |= {"subject": add_subject(connection, keyring.seal(said)), "domain": ""}
            connection.execute(insert(reports), {**row, **report, "kind": "complaint"})
        (one,) = deletions.complainers(connection, keyring, "acme")
        assert (one.key, one.address) == (keys["b"], "b@example.org")
        assert deletions.acknowledge(connection, "acme", keys.values(), "acme:status", NOW) == 1
        assert deletions.complainers(connection, keyring, "acme", waiting=True) == []


# ---- use ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3 * 86_400), st.integers(1, 1000)), max_size=30))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_use_is_what_the_windows_say(database: Database, said: list[tuple[int, int]]) -> None:
    """What the page reads from the checkpoint is what the process that counts would answer."""
    clock = [NOW]
    table = WindowTable(lambda: clock[0])
    for at, amount in sorted(said):
        clock[0] = NOW + at
        table.add("bytes:acme", 86_400, amount)
    rows = [
        {"key": one.key, "seconds": one.seconds, "start": one.start, "amount": one.amount}
        for one in table.snapshot()
    ]
    clock[0] += 3600
    with database.transaction() as connection:
        connection.execute(windows.delete())
        if rows:
            connection.execute(insert(windows), rows)
        found = use.used(connection, "bytes:acme", 86_400, clock[0])
    assert found == table.window("bytes:acme", 86_400).total
