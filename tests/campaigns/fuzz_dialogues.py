"""Target `dialogue`: mutated SMTP dialogues, on both our sides.

The first octet of an input chooses what it goes through, the second how; the rest is what the peer
says. Of a hundred generated dialogues 50 go through our side's engine alone (`fuzz_engine`), 20
through a whole gateway but for its sockets (`fuzz_session`), 25 are a next hop's replies to the
relay's engine (`fuzz_relay`), and 5 are PROXY headers with a dialogue behind.
"""

from __future__ import annotations

from ipaddress import ip_address
from random import Random
from zlib import crc32

from gateway.smtp import proxy
from tests.campaigns import dialogue_seeds, fuzz_relay
from tests.campaigns.fuzz_engine import one_dialogue
from tests.campaigns.fuzz_session import one_session
from tests.campaigns.mutation import mutate
from tests.campaigns.promises import COUNTS, promise

DIALOGUES = dialogue_seeds.dialogues()
ENGINE, SESSION, RELAY, PROXY = range(4)
FLOODS = 0.0005
"""How many dialogues hold ten times themselves, 100,000 octets of one kind, or 5,000 lines."""
_LONG = (b"a", b"\r", b"\0", b" ", b"<", b'"', b"\xc3\xa9", b".")
_LINES = b"\r\n"
_SHARES = (ENGINE,) * 10 + (SESSION,) * 4 + (RELAY,) * 5 + (PROXY,)


def seeds() -> list[bytes]:
    """Unmutated inputs of every kind, for a corpus."""
    made = [bytes([kind, flags]) + octets for octets in DIALOGUES
            for kind, flags in ((ENGINE, 0), (ENGINE, 1), (SESSION, 0), (SESSION, 1))]  # fmt: skip
    made += [bytes([RELAY, flags % 5]) + octets for flags, octets in enumerate(fuzz_relay.SEEDS)]
    made += [bytes([PROXY, 0]) + octets + DIALOGUES[0] for octets in dialogue_seeds.PROXY_HEADERS]
    return made


def generate(random: Random) -> bytes:
    """One mutated input."""
    kind = random.choice(_SHARES)
    head = bytes([kind, random.randrange(256)])
    if kind == RELAY:
        octets = random.choice(fuzz_relay.SEEDS)
        return head + mutate(random, octets, fuzz_relay.WORDS, fuzz_relay.SEEDS)
    octets = random.choice(DIALOGUES)
    if kind == SESSION and random.random() < 0.5:
        # One that goes to the end, on the listener it is for: else few would get there.
        octets = random.choice(dialogue_seeds.COMPLETE)
        head = bytes([kind, head[1] & 0xFC | (b"STARTTLS" in octets)])
    if kind == PROXY:
        octets = random.choice(dialogue_seeds.PROXY_HEADERS) + octets[:40]
    octets = mutate(random, octets, dialogue_seeds.WORDS, DIALOGUES)
    if random.random() < FLOODS:
        place = random.randrange(len(octets) + 1)
        flood = random.choice((octets * 10, random.choice(_LONG) * 100_000, _LINES * 5_000))
        octets = octets[:place] + flood + octets[place:]
    return head + octets


def one_input(data: bytes) -> None:
    """Play one dialogue; raises `Broken` for a promise that is not kept."""
    if len(data) < 2:
        return
    kind, flags, octets = data[0] % 4, data[1], data[2:]
    random = Random(crc32(data))
    if kind == ENGINE:
        COUNTS["dialogues with our engine"] += 1
        one_dialogue(flags, octets, random)
    elif kind == SESSION:
        COUNTS["dialogues with a whole gateway"] += 1
        one_session(flags, octets, random)
    elif kind == RELAY:
        COUNTS["dialogues of the relay's engine"] += 1
        fuzz_relay.one_conversation(flags, octets, random)
    else:
        COUNTS["dialogues behind a PROXY header"] += 1
        header = _proxied(octets)
        if header is not None:
            one_dialogue(flags, octets[header.length :], random)


def _proxied(octets: bytes) -> proxy.ProxyHeader | None:
    """The header, read as it arrives: what a longer piece says must not contradict a shorter."""
    found: proxy.ProxyHeader | None = None
    for length in range(1, min(len(octets), 200) + 1):
        try:
            header = proxy.parse(octets[:length])
        except proxy.ProxyError:
            promise(found is None, "a PROXY header is read once", octets[:length])
            COUNTS["PROXY headers refused"] += 1
            return None
        if found is None and header is not None:
            promise(0 < header.length <= length, "a PROXY header is as long as it is", header)
            if header.client is not None:
                ip_address(header.client)
            found = header
        promise(found == header, "a PROXY header is read once", (found, header))
    return found
