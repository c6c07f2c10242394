"""One next hop's replies through the relay's engine, in the places of a transaction's commands.

Whatever the octets, `Garbled` is all that may come of them; no reply is handed out that its place
does not allow or that nobody asked for, what the customer would be told of it is well formed, and
cutting the octets otherwise changes nothing.
"""

from __future__ import annotations

from random import Random

from gateway.relay.answers import for_now, outcome_of, refuses_us, reply_for, without_addresses
from gateway.relay.engine import MAX_REPLY_OCTETS, Engine, Garbled, Place
from gateway.relay.outcome import HopReply
from tests.campaigns.dialogue_seeds import PAUSE
from tests.campaigns.mutation import segments
from tests.campaigns.promises import COUNTS, promise, replies_in

NAMES = ("hop.inside.test", "relay7.inside.test")
_GOOD = {
    Place.GREETING: {220}, Place.EHLO: {250}, Place.HELO: {250}, Place.STARTTLS: {220},
    Place.AUTH: {235, 334}, Place.MAIL: {250}, Place.RCPT: {250, 251, 252}, Place.DATA: {354},
    Place.DOT: {250}, Place.RSET: {250}, Place.QUIT: {221},
}  # fmt: skip
_SCRIPTS: tuple[tuple[tuple[Place, ...], ...], ...] = (
    ((Place.GREETING,), (Place.EHLO,), (Place.MAIL, Place.RCPT, Place.RCPT, Place.DATA),
     (Place.DOT,), (Place.QUIT,)),
    ((Place.GREETING,), (Place.EHLO,), (Place.STARTTLS,)),
    ((Place.GREETING,), (Place.EHLO,), (Place.AUTH,), (Place.MAIL, Place.RCPT), (Place.RSET,)),
    ((Place.MAIL, *[Place.RCPT] * 20, Place.DATA), (Place.DOT,), (Place.MAIL, Place.RCPT)),
    ((Place.GREETING,), (Place.HELO,), (Place.MAIL,), (Place.RCPT,), (Place.DATA,), (Place.DOT,)),
)  # fmt: skip
"""What is asked in each flight."""

SEEDS = (
    b"220 hop.inside.test ESMTP\r\n\xff250-hop.inside.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n"
    b"250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n\xff"
    b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 <x@y.test>: unknown at relay7.inside.test\r\n"
    b"354 go\r\n\xff250 2.0.0 queued as ABC\r\n\xff221 bye\r\n",
    b"220 ready\r\n\xff250 old\r\n\xff220 go ahead\r\n250 injected\r\n",
    b"220-one\r\n220 two\r\n\xff250-x\r\n250 AUTH=LOGIN\r\n\xff334 VXNlcm5hbWU6\r\n\xff250 a\r\n"
    b"450-4.2.1 try\r\n450 4.2.1 later, said 10.1.2.3 [2001:db8::1]\r\n\xff250 ok\r\n",
    b"250 ok\r\n" + b"250 2.1.5 ok\r\n" * 20 + b"354 \r\n\xff452 4.5.3 too many\r\n\xff"
    b"250 a\r\n550 b\r\n",
    b"220 h\r\n\xff250 h\r\n\xff250 \r\n\xff552 too many recipients\r\n\xff503 no\r\n\xff"
    b"421 bye\r\n",
    b"421 4.3.2 hop.inside.test closing\r\n",
    b"554 5.7.1 Client host rejected: [192.0.2.1]\r\n\xff502 what\r\n",
)  # fmt: skip
WORDS = (
    *(b"250 ", b"250-", b"354 go\r\n", b"421 4.4.2 bye\r\n", b"550 5.7.1 "),
    *(b"451 4.3.0 ", b"235 \r\n"),
    *(b"hop.inside.test", b"relay7.inside.test", b"[10.0.0.1]", b"250\r\n"),
    *(b"999 x\r\n", b"25", PAUSE),
    *(b"250-\r\n", b"5.1.1 ", b"2.0.0 ", b"<a@b.test>", b"\xe9\xfe"),
    *(b"SIZE 0\r\n", b"250 2.0.0 Ok\r\n"),
)  # fmt: skip


def one_conversation(flags: int, octets: bytes, random: Random) -> None:
    """Play it cut and in one piece; raises `Broken`."""
    script = _SCRIPTS[flags % len(_SCRIPTS)]
    cut, whole = _play(script, octets, random), _play(script, octets, None)
    promise(cut == whole, "segments make no difference", (cut, whole))


def _play(
    script: tuple[tuple[Place, ...], ...], octets: bytes, random: Random | None
) -> list[HopReply] | str:
    """The replies handed out, or "garbled"."""
    engine = Engine(NAMES)
    taken: list[HopReply] = []
    asked: list[Place] = []
    flights = octets.split(PAUSE)
    for places, flight in zip(script, flights, strict=False):
        if engine.farewell is not None or len(taken) < len(asked):
            break  # a transaction goes on when its commands are answered
        asked += places
        engine.expect(places)
        for segment in segments(random, flight) if random else (flight,):
            COUNTS["segments"] += 1
            try:
                replies = engine.receive(segment)
            except Garbled:
                COUNTS["next hops garbled"] += 1
                return "garbled"
            taken += replies
            COUNTS["events"] += len(replies)
            kept = len(engine._lines) if engine.farewell is None else 0
            promise(kept <= MAX_REPLY_OCTETS + 2, "little is kept between segments", kept)
            promise(engine._octets <= MAX_REPLY_OCTETS, "little is kept between segments")
            promise(len(taken) <= len(asked), "no reply is handed out unasked", taken)
    for place, reply in zip(asked, taken, strict=False):
        _check(place, reply)
    if engine.farewell is not None:
        COUNTS["next hops closing with 421"] += 1
        promise(engine.receive(b"250 2.0.0 Ok\r\n" * 3) == [], "nothing is answered behind a 421")
        if len(taken) == len(asked) and taken[-1:] != [engine.farewell]:
            return "garbled"  # as a 421 that answers nothing is taken when a segment ends in it
    return taken


def _check(place: Place, reply: HopReply) -> None:
    good = reply.code in _GOOD[place]
    promise(good or 400 <= reply.code <= 599, "a reply fits its place", (place, reply))
    COUNTS[f"next hops' replies {reply.code // 100}xx"] += 1
    text = reply.text
    promise(text.isascii() and (text.isprintable() or not text), "a reply's text is one line", text)
    if good:
        return
    shown = reply_for(for_now(reply))
    told = replies_in(shown.encode("ref", "https://x.test/r"), text.encode())
    promise(len(told) == 1 and told[0].code == shown.code, "a refusal is one reply", told)
    promise(outcome_of(reply).state.value in ("refused", "deferred"), "a refusal is none", reply)
    refuses_us(reply)
    without_addresses(text)
    for name in NAMES:
        exposed = f" {name} " in f" {text.lower()} "
        promise(not exposed, "no name of a host behind us is told", text)
