"""The tokens of ours that a mail that came back holds, and whether they tell one story.

Takes the parsed mail and the recipient it came to, gives `Traces`. Looks where our own mail carries
tokens (docs/feedback.md) and nowhere else: the envelope's recipient and sender, the header fields
of the original, the report's own CFBL-Feedback-ID. Reads tolerantly (any line ending, folded or
not) and believes strictly: a text there that is shaped like a token and is none, or two tokens that
name different streams, recipients or mailings, and none of them counts. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.feedback.parsed import Parsed
from gateway.message.header import MAX_OCTETS
from gateway.message.message_id import MAX_OCTETS as MAX_MESSAGE_ID
from gateway.message.trace_fields import RETURN_PATH
from gateway.message.unsubscribe_fields import tokens_in
from suppression.tokens import Purpose, Tokens


@dataclass(frozen=True, slots=True)
class Traces:
    """What the tokens say together; nothing, when they do not agree.

    `key` (exact, 16 octets) is empty when no token names the recipient, `mailing` when none names
    the mailing. `message_id` and `feedback_id` are the original's, as anybody may have written
    them. `places` says, for people, where a token stood and whether it was authentic.
    """

    stream_number: int | None = None
    key: bytes = b""
    mailing: str = ""
    has_token: bool = False
    """Whether at least one is authentic."""
    agrees: bool = True
    message_id: str = ""
    feedback_id: str = ""
    places: tuple[tuple[str, bool], ...] = ()


_SHAPE = r"[A-Za-z2-7]{52}"
_SHAPED = re.compile(_SHAPE)
_BOUNCE = re.compile(rf"{RETURN_PATH}\+({_SHAPE})@([^\s<>]*)", re.IGNORECASE | re.ASCII)
_FEEDBACK_ID = re.compile(rf"\s*([!-9;-~]*)\.({_SHAPE})\s*:")
# Possessive, so that nothing is tried twice: a header of one endless line costs its length.
_FIELD = re.compile(
    rb"^(message-id|feedback-id|consentry-trace|cfbl-feedback-id|list-unsubscribe|return-path)"
    rb"[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)",
    re.IGNORECASE | re.MULTILINE,
)
_Found = tuple[Purpose, str, str]
"""A text of a token's shape, what it would be for, and what stands beside it."""
RECIPIENT, MAIL_FROM, REPORT = "recipient", "original-mail-from", "report"
"""The places that are no field of the original: what the mail came to, and the report itself."""


def read_traces(parsed: Parsed, recipient: str, tokens: Tokens, domain: str) -> Traces:
    """What is to be believed of `parsed`, which came to `recipient` (`local@domain`, or "").

    Return paths of ours are at `domain` (`feedback.domain`); any other is somebody's own.
    """
    fields = list(_fields(parsed.original.header if parsed.original else b""))
    message_id = next((value for name, value in fields if name == "message-id"), "")
    feedback_id = next((value for name, value in fields if name == "feedback-id"), "")
    streams: set[int] = set()
    keys: set[bytes] = set()
    mailings: set[str] = set()
    places: set[tuple[str, bool]] = set()
    is_forged = False
    for place, (purpose, text, beside) in set(_found(parsed, recipient, fields, domain)):
        if len(set(text)) == 1:  # a provider has masked it
            continue
        token = tokens.read(purpose, text)
        places.add((place, token is not None))
        if token is None:
            is_forged = True
            continue
        streams.add(token.stream_number)
        if purpose is Purpose.MAILING:
            mailing = token.key.rstrip(b"\0").decode("ascii", "replace")
            mailings.add(mailing)
            is_forged |= beside != mailing
        else:
            keys.add(token.key)
    agrees = not is_forged and max(len(streams), len(keys), len(mailings)) <= 1
    return Traces(
        stream_number=next(iter(streams)) if streams and agrees else None,
        key=next(iter(keys)) if keys and agrees else b"",
        mailing=next(iter(mailings)) if mailings and agrees else "",
        has_token=bool(streams),
        agrees=agrees,
        message_id=message_id.strip()[:MAX_MESSAGE_ID],
        feedback_id=feedback_id.strip()[:MAX_MESSAGE_ID],
        places=tuple(sorted(places)),
    )


def _fields(header: bytes) -> Iterator[tuple[str, str]]:
    """The fields that matter, by name in lower case, unfolded."""
    text = header[:MAX_OCTETS].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for name, value in _FIELD.findall(text):
        yield name.decode().lower(), value.replace(b"\n", b"").decode("utf-8", "replace")


def _found(
    parsed: Parsed, recipient: str, fields: list[tuple[str, str]], domain: str
) -> Iterator[tuple[str, _Found]]:
    """Every text that stands where a token of ours does and has its shape, with the place."""
    yield from ((RECIPIENT, found) for found in _return_path(recipient, domain))
    if parsed.complaint is not None:
        sender = parsed.complaint.mail_from
        yield from ((MAIL_FROM, found) for found in _return_path(sender, domain))
        yield from ((REPORT, found) for found in _whole(parsed.complaint.feedback_id))
    for name, value in fields:
        yield from ((name, found) for found in _in_field(name, value, domain))


def _in_field(name: str, value: str, domain: str) -> Iterator[_Found]:
    match name:
        case "consentry-trace" | "cfbl-feedback-id":
            yield from _whole(value)
        case "feedback-id":
            if said := _FEEDBACK_ID.match(value):
                yield Purpose.MAILING, said[2].lower(), said[1]
        case "list-unsubscribe":
            for text in tokens_in(value.encode()):
                yield Purpose.UNSUBSCRIBE, text.decode(), ""
        case "return-path":
            yield from _return_path(value.strip().removeprefix("<"), domain)


def _return_path(address: str, domain: str) -> Iterator[_Found]:
    said = _BOUNCE.match(address)
    if said and said[2].lower().rstrip(".") == domain:
        yield Purpose.RETURN_PATH, said[1].lower(), ""


def _whole(value: str) -> Iterator[_Found]:
    """A field that is nothing but the token; whitespace in it is none of its own (RFC 9477)."""
    text = "".join(value.split())
    if _SHAPED.fullmatch(text):
        yield Purpose.FEEDBACK, text.lower(), ""
