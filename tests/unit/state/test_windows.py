"""Rolling windows and their table, against a naive count of everything that was ever added."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.state.holds import MemoryHolds
from gateway.state.table import WindowTable
from gateway.state.window import BUCKETS, Window
from policies.claims import OctetsClaim

START = 1_800_000_000.0

lengths = st.sampled_from([1, 60, 288, 289, 3600, 86_400])
steps = st.lists(st.tuples(st.floats(0, 50_000), st.integers(0, 1000)), max_size=40)


def naive_total(added, window, now):
    """The sum over all that was added whose bucket is not a window length old."""
    number = now // window.width
    return sum(amount for at, amount in added if number - at // window.width < window.length)


@given(lengths, steps)
def test_the_total_is_what_a_naive_count_says(seconds, moves):
    """A window's total is the sum of its live buckets at any time, and it has at most 288."""
    window, added, now = Window(seconds), [], START
    for pause, amount in moves:
        now += pause
        window.add(now, amount)
        added.append((now, amount))
        window.expire(now)
        assert window.total == naive_total(added, window, now)
        assert len(window.amounts) <= window.length <= BUCKETS


@given(lengths, steps)
def test_nothing_counts_longer_than_the_window_or_much_shorter(seconds, moves):
    """An amount leaves at the latest one bucket after, and at most one bucket before its time."""
    window, now = Window(seconds), START
    for pause, amount in moves:
        now += pause
        window.add(now, amount)
    total = window.total
    window.expire(now + seconds - window.width - 0.001)
    if moves and moves[-1][1]:
        assert 0 < window.total <= total
    window.expire(now + seconds + window.width)
    assert window.total == 0


@given(lengths, steps, st.integers(1, 5000))
def test_the_time_named_frees_enough_and_no_earlier_time_does(seconds, moves, excess):
    """`free_at` is the first moment at which that much has left."""
    window, now = Window(seconds), START
    for pause, amount in moves:
        now += pause
        window.expire(now)
        window.add(now, amount)
    total, at = window.total, window.free_at(now, excess)
    window.expire(at - 0.01)
    assert window.total > total - excess
    window.expire(at)
    assert window.total <= max(0, total - excess)


def test_a_clock_that_goes_back_frees_nothing_and_loses_nothing():
    """Amounts added after a step back join the newest bucket."""
    window = Window(3600)
    window.add(START, 5)
    window.add(START - 1000, 7)
    window.expire(START)
    assert window.total == 12


class Clock:
    now = START

    def __call__(self):
        return self.now


@given(st.lists(st.tuples(st.sampled_from("abc"), lengths, st.integers(1, 9), st.floats(0, 9000))))
def test_saving_every_change_restores_every_total(moves):
    """Buckets saved by `changes()`, the newest of each, rebuild the table as it was."""
    clock = Clock()
    table, saved = WindowTable(clock), {}
    for key, seconds, amount, pause in moves:
        clock.now += pause
        table.add(key, seconds, amount)
        saved |= {(b.key, b.seconds, b.start): b for b in table.changes()}
    assert table.changes() == []
    restored = WindowTable(clock)
    restored.restore(saved.values())
    for key, seconds, *_ in moves:
        assert restored.window(key, seconds).total == table.window(key, seconds).total
    assert sorted(restored.snapshot(), key=repr) == sorted(table.snapshot(), key=repr)


def test_changes_that_could_not_be_saved_are_given_again():
    """A failed checkpoint forgets nothing, and what came since is in the next one."""
    table = WindowTable(Clock())
    table.add("acme", 60, 2)
    failed = table.changes()
    table.add("acme", 60, 3)
    table.changes()
    table.unsaved(failed)
    assert [bucket.amount for bucket in table.changes()] == [5]


def test_buckets_dated_after_now_count_as_of_now():
    """What a wrong clock saved for the future does not hold a window shut until then."""
    clock = Clock()
    table = WindowTable(clock)
    clock.now += 10_000_000
    table.add("acme", 60, 2)
    saved = table.snapshot()
    clock.now = START
    restored = WindowTable(clock)
    restored.restore(saved)
    assert restored.window("acme", 60).total == 2
    clock.now += 61
    assert restored.window("acme", 60).total == 0


def test_windows_of_keys_never_seen_again_are_dropped():
    """Counting by client address does not grow without end."""
    clock = Clock()
    table = WindowTable(clock)
    for number in range(20_000):
        clock.now += 1
        table.add(f"address-{number}", 60, 1)
    assert len(table._windows) < 3000


moves = st.lists(
    st.tuples(
        st.sampled_from(["open", "claim", "settle"]),
        st.integers(0, 600),
        st.integers(0, 300),
        st.integers(0, 4),
        st.floats(0, 20_000),
        st.integers(0, 5),
    ),
    max_size=40,
)


@given(moves)
async def test_used_and_set_aside_never_pass_the_limit_and_settle_exactly(moves):
    """Whatever the order of calls: what is granted fits, one unit more would not have, and used is
    settled plus set aside."""
    clock, limit = Clock(), 1000
    holds = MemoryHolds(WindowTable(clock))
    open_ones, settled = [], []
    for what, base, each, units, pause, which in moves:
        clock.now += pause
        if what == "open":
            open_ones.append([holds.open("acme", "acme/s", 0, print, print), 0])
        elif open_ones and what == "claim":
            one = open_ones[which % len(open_ones)]
            before = holds.octets.used("acme")
            (granted,) = await one[0].claim([OctetsClaim("acme", base, each, units, limit)])
            if granted.shortage is None:
                assert granted.units == units
            else:
                more = base + (granted.units + 1) * each if units else base
                assert before + more - one[1] > limit
            if granted.units or granted.shortage is None or before + base - one[1] <= limit:
                one[1] = max(one[1], base + granted.units * each)
        elif open_ones:
            one = open_ones.pop(which % len(open_ones))
            await one[0].settle(one[1] // 2)
            settled.append((clock.now, one[1] // 2))
        live = naive_total(settled, Window(86_400), clock.now)
        used = holds.octets.used("acme")
        assert used == live + sum(octets for _, octets in open_ones)
        assert used <= limit
