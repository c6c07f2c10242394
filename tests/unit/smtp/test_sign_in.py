"""Signing in: mechanisms, guessing, streams, and what is remembered."""

import base64
import threading

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from gateway.smtp.authentication import (
    FAILURES_PER_ADDRESS,
    FAILURES_PER_NAME,
    Authenticator,
    Failure,
    Identity,
    Login,
    hash_of_nothing,
)
from gateway.smtp.sasl import Credentials, Exchange
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms, TenantState, TenantTerms

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASH = CHEAP.hash("secret")
LOGINS = {
    "acme": Login("acme", "acme", HASH, "weekly"),
    "gone": Login("gone", "gone", HASH, None),
}


def tenant(name: str, state: TenantState) -> TenantTerms:
    """A tenant with one stream."""
    limits = Limits()
    stream = StreamTerms(name, "weekly", 1, StreamKind.LIST, limits)
    return TenantTerms(name, state, frozenset(), {"weekly": stream}, "weekly", limits)


TENANTS = {
    "acme": tenant("acme", TenantState.OPEN),
    "gone": tenant("gone", TenantState.DISABLED),
}


class Clock:
    """Unix seconds that a test moves."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def authenticator(clock):
    """An authenticator with fresh windows."""
    made = Authenticator(MemoryRateWindows(WindowTable(clock)), clock, CHEAP)
    yield made
    made.close()


async def check(authenticator, login, password, client="192.0.2.7"):
    """The outcome of one sign-in."""
    return await authenticator.check(LOGINS, TENANTS, client, Credentials(login, password))


def b64(text: str) -> str:
    """Text as base64."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("mechanism", "initial", "lines", "expected"),
    [
        ("PLAIN", b64("\0acme\0secret"), [], Credentials("acme", "secret")),
        ("PLAIN", b64("acme\0acme\0secret"), [], Credentials("acme", "secret")),
        ("PLAIN", None, [b64("\0acme\0secret")], Credentials("acme", "secret")),
        ("LOGIN", None, [b64("acme"), b64("secret")], Credentials("acme", "secret")),
        ("LOGIN", b64("acme"), [b64("secret")], Credentials("acme", "secret")),
        ("PLAIN", b64("boss\0acme\0secret"), [], "AUTH"),
        ("PLAIN", b64("acme\0secret"), [], "AUTH-ENCODING"),
        ("PLAIN", "!!!", [], "AUTH-ENCODING"),
        ("PLAIN", "=", [], "AUTH-ENCODING"),
        ("LOGIN", None, [b64("acme"), "*"], "AUTH-CANCELLED"),
        ("CRAM-MD5", None, [], "AUTH-MECHANISM"),
    ],
)
def test_an_exchange_ends_in_credentials_or_a_refusal(mechanism, initial, lines, expected):
    """PLAIN and LOGIN, with and without initial response; nothing else."""
    exchange = Exchange(mechanism)
    step = exchange.begin(initial)
    for line in lines:
        assert isinstance(step, str)
        step = exchange.answer(line)
    assert (step if isinstance(step, Credentials) else step.tag) == expected


@pytest.mark.parametrize(
    ("login", "password", "expected"),
    [
        ("acme", "secret", Identity("acme", usual="weekly", login="acme")),
        ("acme/weekly", "secret", Identity("acme", "weekly", login="acme")),
        ("acme", "wrong", "AUTH"),
        ("nobody", "secret", "AUTH"),
        ("acme/nostream", "secret", "AUTH"),
        ("gone", "secret", "TERMINATED"),
        ("gone", "wrong", "AUTH"),
    ],
)
async def test_who_may_sign_in(authenticator, login, password, expected):
    """Unknown names, wrong secrets and unknown streams look alike; the ended learn that."""
    found = await check(authenticator, login, password)
    assert (found.reply.tag if isinstance(found, Failure) else found) == expected


async def test_guessing_one_login_locks_it_for_a_while(authenticator, clock):
    """After too many failures the right password does not help either, until time has passed."""
    for number in range(FAILURES_PER_NAME):
        found = await check(authenticator, "acme/weekly", "wrong", f"192.0.2.{number}")
        assert found.reply.tag == "AUTH"
    found = await check(authenticator, "acme", "secret", "198.51.100.1")
    assert found.reply.tag == "AUTH-LOCK"
    assert found.reply.code == 421
    clock.now += 700
    assert isinstance(await check(authenticator, "acme", "secret"), Identity)


async def test_guessing_from_one_address_locks_the_address(authenticator):
    """Trying many names does not get round the window, and others are not hurt."""
    for number in range(FAILURES_PER_ADDRESS):
        await check(authenticator, f"name{number}", "wrong")
    assert (await check(authenticator, "acme", "secret")).reply.tag == "AUTH-LOCK"
    assert isinstance(await check(authenticator, "acme", "secret", "198.51.100.1"), Identity)


async def test_a_verified_login_is_remembered_until_forgotten(authenticator, monkeypatch):
    """The hash is computed once; a reload asks for it again, a wrong password always does."""
    assert isinstance(await check(authenticator, "acme", "secret"), Identity)
    calls = []

    class Counting:
        def verify(self, stored, password):
            calls.append(password)
            return CHEAP.verify(stored, password)

    monkeypatch.setattr(authenticator, "_hasher", Counting())
    assert isinstance(await check(authenticator, "acme", "secret"), Identity)
    assert calls == []
    assert isinstance(await check(authenticator, "acme", "wrong"), Failure)
    authenticator.forget()
    assert isinstance(await check(authenticator, "acme", "secret"), Identity)
    assert calls == ["wrong", "secret"]


async def test_a_verified_login_is_remembered_for_five_minutes(authenticator, monkeypatch):
    """Then its password is hashed again; what is kept meanwhile does not hold the password."""
    now = [1000.0]
    monkeypatch.setattr("gateway.smtp.authentication.time.monotonic", lambda: now[0])
    calls = []

    class Counting:
        def verify(self, stored, password):
            calls.append(threading.current_thread())
            return CHEAP.verify(stored, password)

    monkeypatch.setattr(authenticator, "_hasher", Counting())
    for seconds, hashed in ((0, 1), (299, 1), (301, 2)):
        now[0] = 1000.0 + seconds
        assert isinstance(await check(authenticator, "acme", "secret"), Identity)
        assert len(calls) == hashed
    assert threading.main_thread() not in calls
    assert b"secret" not in b"".join(authenticator._remembered)


def test_the_hash_for_unknown_logins_costs_what_one_of_a_password_costs():
    """It is checked to the end, with the same parameters, and matches nothing."""
    for hasher in (CHEAP, PasswordHasher()):
        nothing = hash_of_nothing(hasher)
        assert extract_parameters(nothing) == extract_parameters(hasher.hash("secret"))
        with pytest.raises(VerifyMismatchError):
            hasher.verify(nothing, "secret")
        assert nothing != hash_of_nothing(hasher)
