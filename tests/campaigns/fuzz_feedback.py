"""Target `feedback`: mutated mail that comes back, through every parser to the tokens in it.

An input is a mail as it crosses the wire. Whatever it is, what is read of it is bounded, visible
text; only reports complain and only bounces bounce; what is given back of our mail is whole header
fields; and line ends make no difference. One input in five hundred is a bomb: big in one way.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from zlib import crc32

from gateway.feedback.mime import MAX_HEADER, MAX_TEXT
from gateway.feedback.parse import MAX_MESSAGE_ID, MAX_SENDER, MAX_SUBJECT, parse
from gateway.feedback.parsed import Bounce, Complaint, Form, Parsed
from gateway.feedback.report_words import MAX_FIELD, MAX_FIELDS
from gateway.feedback.server_words import MAX_ADDRESS, MAX_RECIPIENTS, MAX_SAID
from gateway.feedback.traces import read_traces
from gateway.message.header import HeaderView
from suppression.keys import Generation, Keyring
from suppression.tokens import Tokens
from tests.campaigns import feedback_seeds
from tests.campaigns.mutation import mutate
from tests.campaigns.promises import COUNTS, promise

REPORTS = (Form.ARF, Form.XARF)
BOUNCES = (Form.DSN, Form.FORWARDED_DSN, Form.PLAIN_BOUNCE)
_TOKENS = Tokens(Keyring([Generation.fresh(7)]))
_BOMBS = tuple(feedback_seeds.BOMBS.values())
_SIZES = (10, 1_000, 10_000)
"""Larger ones, up to what is taken at all, are tried once each in the unit tests."""


def seeds() -> list[bytes]:
    """The fixtures, and the largest bombs, so that what memory they need once is there."""
    return [*feedback_seeds.SEEDS, *(bomb(_SIZES[-1]) for bomb in _BOMBS)]


def generate(random: Random) -> bytes:
    """One mutated mail, or a bomb."""
    if random.random() < 0.002:
        COUNTS["bombs"] += 1
        return random.choice(_BOMBS)(random.choice(_SIZES))
    octets = random.choice(feedback_seeds.SEEDS)
    return mutate(random, octets, feedback_seeds.WORDS, feedback_seeds.SEEDS)


def one_input(data: bytes) -> None:
    """Read one mail; raises `Broken` for a promise that is not kept."""
    parsed = parse(data)
    COUNTS[f"read as {parsed.form}"] += 1
    _check_texts(parsed)
    says = (parsed.complaint is not None, parsed.bounce is not None)
    is_right = says == (parsed.form in REPORTS and not parsed.trouble, parsed.form in BOUNCES)
    promise(is_right, "only reports complain and only bounces bounce", parsed)
    if parsed.complaint is not None:
        COUNTS["complaints"] += 1
        _check_complaint(parsed.complaint)
    if parsed.bounce is not None:
        _check_bounce(parsed.bounce)
    if parsed.original is not None:
        COUNTS["originals"] += 1
        header = parsed.original.header
        promise(0 < len(header) <= MAX_HEADER, "an original is bounded", len(header))
        HeaderView.parse(header)
    traces = read_traces(parsed, "fbl@fb.relay.test", _TOKENS, "fb.relay.test")
    promise(not traces.has_token, "no token is made up", traces)
    if crc32(data) % 16 == 0 and b"\r\r\n" not in data:  # else it is another one with LF alone
        other = parse(data.replace(b"\r\n", b"\n"))
        promise(replace(other, mail=parsed.mail) == parsed, "line ends make no difference", parsed)


def _check_texts(parsed: Parsed) -> None:
    _is_shown(parsed.sender, MAX_SENDER)
    _is_shown(parsed.subject, MAX_SUBJECT)
    _is_shown(parsed.message_id, MAX_MESSAGE_ID)
    promise(len(parsed.text) <= MAX_TEXT, "texts are bounded", len(parsed.text))
    is_visible = all(line.isprintable() for line in parsed.text.split("\n"))
    promise(is_visible, "texts are visible", parsed.text)
    promise(len(parsed.fields) <= MAX_FIELDS, "lists are bounded", len(parsed.fields))
    for name, value in parsed.fields:
        _is_shown(name, 100)
        _is_shown(value, MAX_FIELD)


def _check_complaint(complaint: Complaint) -> None:
    promise(len(complaint.recipients) <= MAX_RECIPIENTS, "lists are bounded", complaint)
    promise(len(complaint.reported_domains) <= MAX_RECIPIENTS, "lists are bounded", complaint)
    for text in (*complaint.recipients, *complaint.reported_domains, complaint.mail_from):
        _is_shown(text, MAX_ADDRESS)
    for text in (complaint.source_ip, complaint.user_agent, complaint.feedback_id):
        _is_shown(text, MAX_FIELD)
    promise(1 <= complaint.incidents <= 1_000_000, "numbers are bounded", complaint)
    _is_instant(complaint.arrived_at)


def _check_bounce(bounce: Bounce) -> None:
    promise(1 <= len(bounce.recipients) <= MAX_RECIPIENTS, "lists are bounded", bounce)
    _is_shown(bounce.reporter, MAX_ADDRESS)
    _is_instant(bounce.arrived_at)
    for one in bounce.recipients:
        _is_shown(one.address, MAX_ADDRESS)
        _is_shown(one.text, MAX_SAID)
        _is_shown(one.remote, MAX_ADDRESS)
        _is_shown(one.enhanced, 11)
        promise(one.code == 0 or 200 <= one.code < 600, "numbers are bounded", one)
        promise(one.address, "a bounce names somebody", bounce)


def _is_shown(text: str, most: int) -> None:
    promise(len(text) <= most, "texts are bounded", text)
    promise(text.isprintable(), "texts are visible", text)


def _is_instant(at: float | None) -> None:
    promise(at is None or 0 <= at < 1e12, "numbers are bounded", at)
