"""Reads bounces without a status part: the words of mail servers, for people.

`read_plain_bounce` takes a mail and gives `BounceMail`, or None for one that is no bounce: that is
not from a mailer daemon or the null sender, has none of the words of servers, or names nobody. To
be asked before automatic.py, since bounces, too, call themselves `auto-replied`. Never raises.

What is known of the forms: qmail, Postfix, Exim, Yahoo and GMX write the address on a line of its
own and their words behind or below it; Sendmail lists addresses and keeps the words in a
transcript; Exchange and Domino write a sentence; most add our header below a line of dashes.
A mail without plain text is read as what its HTML shows (mime.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.feedback.mime import Mail, Part, read_header
from gateway.feedback.originals import HOLDS_ORIGINAL, original_in, original_of, quoted_in
from gateway.feedback.parsed import Action, Bounce, BouncedRecipient, Original
from gateway.feedback.server_words import (
    MAX_RECIPIENTS,
    MAX_SAID,
    BounceMail,
    address_in,
    host_in,
    is_from_a_server,
    is_of_a_server,
    said,
)

MAX_LINES = 500
_MAX_LINE = 1_000
_MAX_TEXT = 32_768
_NOT_YET = (
    "warning only",
    "warning message only",
    "has not yet been delivered",
    "not been delivered yet",
    "has been delayed",
    "was delayed",
    "transient non-fatal errors",
    "do not need to resend",
    "will keep trying",
    "delivery attempts will continue",
    "will be retried",
    "delivery is delayed",
    "could not send message for past",
    "delayed for more than",
    "temporary failure",
)
"""What only those say who go on trying."""
_FAILED = (
    "qmail-send program",
    "this is the mail system",
    "this is the postfix program",
    "could not be delivered",
    "couldn't be delivered",
    "permanent fatal errors",
    "unable to deliver",
    "not able to deliver",
    "not reach the following",
    "could not be reached",
    "delivery failed",
    "delivery failure",
    "delivery has failed",
    "delivery to the following",
    "failed permanently",
    "was not delivered",
    "wasn't delivered",
    "failure reasons",
    "failure notice",
    "undeliver",
    "transcript of session",
    "unsent message",
    "returned mail",
    "cannot be delivered",
    "address failed",
    "addresses failed",
    "address(es) failed",
    "error has occurred while attempting to deliver",
)
_SEPARATOR = re.compile(
    rb"^[ >]{0,10}(?:-{2,40} ?(?:below this line|this is a copy|(?:the )?original message"
    rb"|unsent message|returned message|(?:the )?header of the original|undelivered message)"
    rb"|below is a copy|(?:the )?original message (?:headers|follows)|message headers? follow"
    rb"|message text follows)[^\n]{0,80}$",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = re.compile(
    r"(?:\d{1,3}[.)] |[*-]{1,2} )?(?:[^\W\d][\w .,'-]{0,60} )?[<\"'(]{0,2}(?:mailto:)?"
    r"(?P<address>[^\s<>\"'(),;:@]{1,128}@[^\s<>\"'(),;:@]{1,255})[>\"')]{0,2}"
    r"(?: ?\([^)]{0,200}\))?(?P<rest>|:.*|\.{3}.*| on [A-Z\d].*| ?<mailto:.*)",
)
"""A line that is an address, with what servers write before and behind it."""
_SENTENCE = re.compile(
    r"(?:delivered|delivery|deliver|message|mail) (?:to|for)[: ]{1,3}"
    r"(?P<address>[<\"']?[^\s<>\"'(),;:@]{1,128}@[^\s<>\"'(),;:@]{1,255})",
    re.IGNORECASE,
)
_TRANSCRIPT = re.compile(r"transcript of session", re.IGNORECASE)
_ANSWER = re.compile(r"(?:<<< ?|\(reason: ?)?[45]\d\d[ -]", re.ASCII)
_HOST = re.compile(r"\b(?:host:? |talking to |relayed to )([\w-]{1,63}(?:\.[\w-]{1,63}){1,10})")
_RULE = re.compile(r"[-=*_# ]{3,}")


def read_plain_bounce(mail: Mail) -> BounceMail | None:
    """What it reports, with at least one recipient."""
    if not is_from_a_server(mail):
        return None
    part = mail.words()
    if part is None:
        return None
    text, original = _divided(part)
    about = f"{mail.header.text('subject', 200)}\n{text}".lower()
    if any(sign in about for sign in _NOT_YET):
        action = Action.DELAYED
    elif any(sign in about for sign in _FAILED):
        action = Action.FAILED
    else:
        return None
    lines = [line[:_MAX_LINE].rstrip() for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
    recipients = _recipients(mail, lines, action)
    if not is_of_a_server(mail.header.text("from")):
        # An answering machine, too, may write from nobody; it does not know of codes.
        recipients = tuple(one for one in recipients if one.code or one.enhanced)
    if not recipients:
        return None
    original = original_in(mail.first(*HOLDS_ORIGINAL)) or original
    return BounceMail(Bounce(recipients), original)


def _divided(part: Part) -> tuple[str, Original | None]:
    """What the server says, and our header below it."""
    content, text = part.content(), part.text(_MAX_TEXT)
    line = _SEPARATOR.search(content)
    if line is None:
        return text, quoted_in(content)
    end = text.find(line[0].decode("ascii", "replace").strip())
    below = read_header(content[line.end() :].lstrip())
    return text[:end] if end >= 0 else text, original_of(below)


def _recipients(mail: Mail, lines: list[str], action: Action) -> tuple[BouncedRecipient, ...]:
    """Everybody that it names, each once, with the words that are about them."""
    places = (number for number, line in enumerate(lines) if _TRANSCRIPT.search(line))
    place = next(places, len(lines))
    answers = [line.strip() for line in lines[place:] if _ANSWER.match(line.strip())]
    stated = mail.header.text("x-failed-recipients", 8_000).split(",")
    words: dict[str, list[str]] = {address_in(one): [] for one in stated if address_in(one)}
    found = list(_paragraphs(lines[:place]))
    if not found:
        found = [(address_in(line), line) for line in answers if not line.startswith("<<<")]
    if not found and not words and (sentence := _SENTENCE.search(" ".join(lines))):
        found = [(address_in(sentence["address"]), " ".join(lines))]
    is_stated = bool(words)
    for address, paragraph in found:
        if address in words or (address and not is_stated):
            words.setdefault(address, []).append(paragraph)
    everybody = list(words.items())[:MAX_RECIPIENTS]
    return tuple(
        _recipient(address, each, answers or lines, action, len(everybody) == 1)
        for address, each in everybody
    )


def _paragraphs(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each line that is an address, with what stands behind and below it: up to the next one, or to
    an empty line when there was something that does not end in a colon. What is further in belongs
    to the address above, whoever it names. Nothing below: what stands right above it."""
    address, words, indent = "", [""], 0
    for above, line in zip(["", *lines], [*lines, ""], strict=True):
        text = line.strip()
        found = _ALONE.fullmatch(text) if "@" in text else None
        is_inner = bool(address) and len(line) - len(line.lstrip()) > indent
        if found and not is_inner and not is_of_a_server(found["address"]):
            if address:
                yield address, _paragraph(words)
            address, indent = address_in(found["address"]), len(line) - len(line.lstrip())
            words = [above.strip(), found["rest"].strip(" :.")]
        elif text and not _RULE.fullmatch(text):
            words.append(text)
        elif address and not text and any(words[1:]) and not words[-1].endswith(":"):
            yield address, _paragraph(words)
            address = ""
    if address:
        yield address, _paragraph(words)


def _paragraph(words: list[str]) -> str:
    """What stands behind and below, or else above; that is not what a colon leads in."""
    above, below = words[0], " ".join(words[1:]).strip()
    is_apart = above.startswith("--") or above.endswith(":") or "@" in above
    return below if below or is_apart else above


def _recipient(
    address: str, paragraphs: list[str], lines: list[str], action: Action, is_only: bool
) -> BouncedRecipient:
    words = next((one for one in paragraphs if said(one).code), " ".join(paragraphs))
    reply = said(words)
    if not reply.code and not reply.enhanced:
        answers = [line.strip() for line in lines if _ANSWER.match(line.strip())]
        about = [line for line in answers if address in line] or (answers if is_only else [])
        if about:
            reply = said(about[0].removeprefix("(reason:").strip())
    host = _HOST.search(words[: 4 * MAX_SAID])
    return BouncedRecipient(
        address, action, reply.code, reply.enhanced, reply.text, host_in(host[1]) if host else ""
    )
