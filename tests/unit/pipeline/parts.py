"""Policies, stores and records to build a pipeline of, and what one of them may do wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.pipeline import Pipeline
from gateway.words import Address, Mode, StreamKind
from policies.claims import CountClaim, Granted
from policies.ports import Shortage
from policies.terms import Limits, StreamTerms, TenantState, TenantTerms
from policies.transaction import Transaction
from policies.verdict import ACCEPT, refuse
from suppression.standing import Standing

STREAM = StreamTerms("acme", "weekly", 1, StreamKind.LIST, Limits())
TENANT = TenantTerms(
    "acme", TenantState.OPEN, frozenset({"acme.example"}), {"weekly": STREAM}, "weekly", Limits()
)
REJECT = refuse(replies.POLICY, "no")
REJECT_TOO = refuse(replies.UNSUB, "no")
DEFER = refuse(replies.RATE.fill(used=1, limit=1, unit="m", window="h", time="t"), "later")
DEFER_TOO = refuse(replies.TENANT_CLOSED, "later")
WHO = [Address(f"{name}@b.example", name, "b.example") for name in "uvw"]
MESSAGE = Message(b"", (), 0, b"", b"")
VIEW = HeaderView.parse(b"")


class Fixed:
    """A policy that gives the same answer at every stage and notes when it was asked."""

    claims = False

    def __init__(self, name, verdict):
        self.name, self.verdict = name, verdict
        self.asked = []

    async def at_mail(self, t):
        self.asked.append("mail")
        return self.verdict

    async def at_rcpt(self, t, group):
        self.asked.append([recipient.address.local for recipient in group])
        return [
            self.verdict.get(recipient.address.local, ACCEPT)
            if isinstance(self.verdict, dict)
            else self.verdict
            for recipient in group
        ]

    async def at_message(self, t, message, view):
        return self.verdict


class Last(Fixed):
    """One whose verdict is for what nobody refused."""

    claims = True


class Taker:
    """A policy that claims `wanted` at every stage, and refuses with `reply` what is short."""

    def __init__(self, name, *wanted, reply=DEFER.reply, says=None):
        self.name, self.wanted, self.reply, self.says = name, wanted, reply, says
        self.judged = []

    def claims_at_mail(self, t, *_):
        return self.wanted

    claims_at_confirm = claims_at_mail

    def claims_at_rcpt(self, t, group):
        return [replace(claim, units=len(group)) for claim in self.wanted]

    def judge_at_mail(self, t, *rest):
        granted = rest[-1]
        self.judged.append([given.units for given in granted])
        if self.says is not None:
            return self.says(*rest)
        is_short = any(given.shortage for given in granted)
        return refuse(self.reply, "short") if is_short else ACCEPT

    judge_at_confirm = judge_at_mail

    def judge_at_rcpt(self, t, group, claims, granted):
        self.judged.append([recipient.address.local for recipient in group])
        if self.says is not None:
            return self.says(group, claims, granted)
        units = min([len(group), *(given.units for given in granted)])
        return [ACCEPT] * units + [refuse(self.reply, "short")] * (len(group) - units)


class Known:
    """Records in which every address stands well."""

    async def look_up(self, stream, group):
        return [Standing(address.local.encode() * 16) for address in group]


class Store:
    """A hold that grants out of `rooms` by key, and notes every call."""

    def __init__(self, fails=None, **rooms):
        self.fails, self.rooms = fails, rooms
        self.calls = []
        self.mailing = ""

    async def claim(self, claims):
        self.calls.append([claim.key for claim in claims])
        self.mailing = "m"
        if self.fails is not None:
            await self.fails()
        answers, most = [], 99
        for claim in claims:
            room = self.rooms.get(claim.key, 99)
            units = min(claim.units, most, room)
            is_short = units < min(claim.units, most) or not room
            answers.append(Granted(units, Shortage(0, room, None) if is_short else None))
            if is_short and not claim.is_observed:
                if not units:
                    break
                most = units
        return answers

    def note(self, key, count, seconds):
        raise AssertionError("nothing is noted here")


def claim(key, units=1):
    return CountClaim(key, units, 9, 60)


def transaction(hold=None):
    hold = hold or Store()
    return Transaction("ref", "session", "192.0.2.1", TENANT, STREAM, None, 0.0, hold=hold)


def pipeline(*policies, standings=None, deadline=1.0, alarms=None, is_stale=lambda: False):
    pairs = [policy if isinstance(policy, tuple) else (policy, Mode.ENFORCE) for policy in policies]
    tell = (lambda *what: alarms.append(what)) if alarms is not None else (lambda *_: None)
    return Pipeline(pairs, standings or Known(), deadline, tell, is_stale)


async def every_stage(line):
    """The ruling of each stage, for one recipient."""
    t = transaction()
    ((_, at_rcpt),) = await line.rcpt(t, WHO[:1])
    return [await line.mail(t), at_rcpt, await line.message(t, MESSAGE, VIEW)]


async def raising():
    raise LookupError("gone")


async def hanging():
    await asyncio.Event().wait()


async def raising_later():
    await asyncio.sleep(0)
    raise LookupError("gone")
