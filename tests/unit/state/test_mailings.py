"""Which transactions make one mailing."""

from __future__ import annotations

from gateway.state.mailings import GAP, LONGEST, Mailings

START = 1_800_000_000.0


def test_transactions_with_short_gaps_are_one_mailing_and_a_long_gap_ends_it():
    """A gap of six hours starts a new mailing, a second less does not."""
    mailings = Mailings()
    first = mailings.mailing_id("acme/weekly", START)
    assert mailings.mailing_id("acme/weekly", START + GAP - 1) == first
    assert mailings.mailing_id("acme/weekly", START + 2 * GAP - 1) != first


def test_a_mailing_is_at_most_seven_days_long():
    """Steady mail starts a new mailing after seven days."""
    mailings = Mailings()
    ids = [mailings.mailing_id("acme/weekly", START + at) for at in range(0, LONGEST + 1, 3600)]
    assert len(set(ids)) == 2
    assert ids[-1] != ids[-2]


def test_streams_have_their_own_mailings_named_by_the_day():
    """An id begins with its first day and is nobody else's."""
    mailings = Mailings()
    weekly, daily = (mailings.mailing_id(f"acme/{name}", START) for name in ("weekly", "daily"))
    assert weekly != daily
    assert weekly.startswith("270115-")


def test_an_ended_mailing_stays_ended_over_a_restart():
    """One that a case has ended, and the current mailing of every stream, survive a restart."""
    mailings = Mailings()
    ended = mailings.mailing_id("acme/weekly", START)
    kept = mailings.mailing_id("acme/daily", START)
    newer = mailings.mailing_id("acme/weekly", START, is_ended={ended}.__contains__)
    assert newer != ended
    later = Mailings()
    later.restore(mailings.changes())
    assert mailings.changes() == []
    assert later.mailing_id("acme/weekly", START + 1) == newer
    assert later.mailing_id("acme/daily", START + 1) == kept


def test_mailings_that_could_not_be_saved_are_given_again():
    """A failed checkpoint forgets no mailing."""
    mailings = Mailings()
    mailings.mailing_id("acme/weekly", START)
    failed = mailings.changes()
    mailings.unsaved(failed)
    assert mailings.changes() == failed
