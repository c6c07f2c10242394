"""Target `message`: mutated messages, from their octets after DATA to the octets for the next hop.

Data reader, receiver, header view, author, stamping, DKIM (Ed25519) and dot-stuffing, each as the
gateway calls it. What must come out is worked out a second time here from the octets, plainly and
slowly; one accepted message of two hundred is also verified by dkimpy.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from hashlib import sha256
from random import Random
from zlib import crc32

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dkim.canonicalization import Relaxed

from gateway.errors import HeaderSyntaxError
from gateway.framing import TEXT_LINE, DataReader, Flaw, dot_stuff
from gateway.message.dkim import Signatures, Signer, canonical
from gateway.message.header import MAX_OCTETS, HeaderView
from gateway.message.received import Message, Receiver
from gateway.message.stamp import StampPlan, stamp
from gateway.message.trace_fields import (
    TRACE_FIELDS,
    cfbl_feedback_id_field,
    consentry_trace_field,
)
from gateway.message.unsubscribe_fields import unsubscribe_fields
from policies.senders import AuthorError, author_domains
from tests.campaigns import message_seeds
from tests.campaigns.mutation import mutate, segments
from tests.campaigns.promises import COUNTS, promise

MAX_SIZE = 400_000
END = b"\r\n.\r\n"
_KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"fuzz").digest())
_SIGNERS = [Signer("acme.test", "ed", _KEY)]
_OWN = {
    field.name: field
    for field in (
        *unsubscribe_fields("https://gateway.test/u/token", "mailto:u+token@u.test"),
        consentry_trace_field("token"),
        cfbl_feedback_id_field("token"),
    )
}
_HOSTS = frozenset(("lists.acme.test",))
_FIELD = re.compile(rb"(?:[^\r]|\r(?!\n(?![ \t])))*\r\n")
_NAME = re.compile(rb"[^:]*")
_OUR_PAIR = (b"list-unsubscribe", b"list-unsubscribe-post")


def seeds() -> list[bytes]:
    """Unmutated messages, for a corpus."""
    return [bytes([flags]) + seed for flags, seed in enumerate(message_seeds.SEEDS)]


def generate(random: Random) -> bytes:
    """One mutated message."""
    octets = message_seeds.message(random)
    mutated = mutate(random, octets, message_seeds.WORDS, message_seeds.SEEDS)
    if random.random() < 0.5:  # mended, so that what lies behind the data reader is met
        mutated = b"\r\n".join(mutated.translate(None, b"\0\r").split(b"\n"))
    return bytes([random.randrange(256)]) + mutated


def one_input(data: bytes) -> None:
    """Take one message through; raises `Broken` for a promise that is not kept."""
    if not data:
        return
    COUNTS["messages"] += 1
    flags, wire = data[0], data[1:] + END
    message = _received(wire, Random(crc32(data)))
    if message is None:
        return
    try:
        view = HeaderView.parse(message.header)
    except HeaderSyntaxError:
        COUNTS["refused, header section"] += 1
        return
    promise(b"".join([field.raw for field in view.fields]) == message.header, "fields are whole")
    try:
        author_domains(view)
        has_author = True
    except AuthorError:
        # Only observed, perhaps: what follows must stand all the same.
        COUNTS["refused, author"] += 1
        has_author = False
    plan = _plan(flags)
    stamped = stamp(view, plan)
    own = [_OWN[name] for name in stamped.own]
    header = Signatures(_SIGNERS, stamped, message.body_hash, plan.now).copy_header(own)
    _check_header(message.header, header, stamped.own)
    _check_wire(header, message.body)
    if has_author:
        COUNTS["accepted"] += 1
        if crc32(wire) % 200 == 0:
            _check_signature(header, message)


def _received(wire: bytes, random: Random) -> Message | None:
    """What the reader and the receiver make of it, checked against the plain reading."""
    end = 0 if wire.startswith(END[2:]) else wire.find(END) + 2
    content, rest = wire[:end], wire[end + 3 :]
    lines = content.split(b"\r\n")[:-1]
    is_bad = any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    plain = [line.removeprefix(b".") for line in lines]
    is_long = any(len(line) > TEXT_LINE for line in plain)
    whole = b"".join([line + b"\r\n" for line in plain])
    reader, receiver, taken = DataReader(MAX_SIZE), Receiver(), 0
    for segment in segments(random, wire):
        if reader.done:
            reader.rest += segment
            continue
        block = reader.feed(segment)
        lines_in = block.count(b"\r\n")
        promise(
            block.count(b"\n") == block.count(b"\r") == lines_in and b"\0" not in block
            and (not block or block.endswith(b"\r\n")),
            "no bare CR, LF or NUL leaves the data reader", block[:300],
        )  # fmt: skip
        if block:
            receiver.add(block)
            taken += len(block)
    promise(reader.done and reader.rest == rest, "the message ends at its final dot", reader.rest)
    promise((reader.flaw is not None) == (is_bad or is_long or len(whole) > MAX_SIZE),
            "a flaw is found where there is one", reader.flaw)  # fmt: skip
    if reader.flaw is not None:
        COUNTS[f"refused, {reader.flaw.name.lower().replace('_', ' ')}"] += 1
        promise(is_bad or reader.flaw is not Flaw.BARE_LINE_ENDING, "a flaw has its name")
        return None
    promise(reader.size == taken == len(whole), "no octet is lost", (reader.size, len(whole)))
    message = receiver.finish()
    if whole.startswith(b"\r\n"):
        header, body = b"", whole[2:]
    else:
        header, empty, body = whole.partition(b"\r\n\r\n")
        header += b"\r\n" if empty else b""
    if len(header) <= MAX_OCTETS:
        promise(message.header == header, "the header section is what came")
        promise(b"".join(message.body) == body, "the body is what came")
    promise(message.digest == sha256(whole).digest(), "the digest is of what came")
    return message


def _plan(flags: int) -> StampPlan:
    return StampPlan(
        hostname="gateway.test",
        helo=("client.test", "[192.0.2.1]", "evil\r\nBcc: x", "b\xfccher")[flags % 4],
        client=("192.0.2.1", "2001:db8::1")[flags >> 2 & 1],
        protocol="ESMTPSA",
        ref="REF1",
        now=time.time(),
        tenant="acme",
        stream="weekly",
        mailing="m1",
        mailing_token="token",
        is_list=bool(flags & 8),
        stamps_unsubscribe=bool(flags & 16),
        unsubscribe_hosts=_HOSTS,
        feedback_domain="fbl.test" if flags & 32 else "",
        is_single=bool(flags & 64),
    )


def _named(header: bytes) -> list[tuple[bytes, bytes]]:
    """Each field with its name in lower case, cut at every line end that no fold follows."""
    fields = _FIELD.findall(header)
    promise(b"".join(fields) == header, "a header section is fields", header[:300])
    return [(_NAME.match(field)[0].lower(), field) for field in fields]  # type: ignore[index]


def _check_header(received: bytes, header: bytes, own: tuple[bytes, ...]) -> None:
    """What goes out is what came, less what must go, below what is ours."""
    promise(header.endswith(b"\r\n\r\n") and header.find(b"\r\n\r\n") == len(header) - 4,
            "the header section ends where it ends", header[-200:])  # fmt: skip
    lines = header.count(b"\r\n")
    promise(header.count(b"\n") == header.count(b"\r") == lines and b"\0" not in header,
            "a stamped header section has only CRLF", header[:300])  # fmt: skip
    has_pair = _OUR_PAIR[0] in own
    gone = {b"bcc", b"resent-bcc", b"return-path", *TRACE_FIELDS, *(_OUR_PAIR if has_pair else ())}
    before, after = _named(received), _named(header[:-2])
    kept = [(name, raw) for name, raw in before
            if name not in gone and not name.startswith(b"x-consentry-")]  # fmt: skip
    mine = len(after) - len(kept) - len(own)
    promise(after[mine : mine + len(kept)] == kept, "no other octet of the header section changes")
    ours = [name for name, _ in after[:mine]]
    names = [name for name, _ in after]
    promise(ours[:2] == [b"dkim-signature", b"received"], "signature and trace come first", ours)
    promise(names.count(b"from") == [name for name, _ in before].count(b"from"),
            "no second From appears", names)  # fmt: skip
    promise(not {b"bcc", b"resent-bcc"} & set(names), "no blind copy is told", names)
    promise(not any(name.startswith(b"x-consentry-") for name in names), "our controls go", names)
    promise(names.count(b"feedback-id") == 1, "one Feedback-ID", names)
    promise(tuple(names[len(names) - len(own) :]) == own, "what is the copy's own ends it", names)
    promise(all(names.count(name) <= 1 for name in TRACE_FIELDS), "no trace is a stranger's", names)
    if has_pair:
        promise([names.count(name) for name in _OUR_PAIR] == [1, 1], "one unsubscribe pair", names)


def _check_wire(header: bytes, body: tuple[bytes, ...]) -> None:
    """What is stuffed for the next hop is what it gets when it takes the dots out."""
    stuffed = dot_stuff(header) + b"".join([dot_stuff(block) for block in body])
    promise(END not in stuffed and not stuffed.startswith(END[2:]), "no dot ends it too soon")
    plain = b"".join([line.removeprefix(b".") + b"\r\n" for line in stuffed.split(b"\r\n")[:-1]])
    promise(plain == header + b"".join(body), "dots come out as they went in")


def _check_signature(header: bytes, message: Message) -> None:
    """Another implementation verifies it, and canonicalises each field as we do."""
    public = _KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record = b"v=DKIM1; k=ed25519; p=" + b64encode(public)
    signed = header + b"".join(message.body)
    verified = dkim.verify(signed, dnsfunc=lambda _name, timeout=5: record)
    promise(verified, "dkimpy verifies the signature", header)
    for field in HeaderView.parse(header[:-2]).fields:
        name, _, value = field.raw.partition(b":")
        (theirs,) = Relaxed.canonicalize_headers([(name, value)])
        promise(canonical(field) == b":".join(theirs), "dkimpy reads a field as we do", field)
    COUNTS["verified by dkimpy"] += 1
