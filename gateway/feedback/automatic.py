"""Knows what answers by itself: notes that somebody is away, and programs that ask who wrote.

`read_automatic` takes a mail that is neither a report nor a DSN and gives AUTO_REPLY, CHALLENGE or
None. It knows them by what they are and is asked before plain_bounce.py: some of them quote the
words of servers, or say that a mail was not delivered. `is_marked` is what RFC 3834 has all of them
say, and bounces too. Such a mail proves only that somebody's mailbox is there.
"""

from __future__ import annotations

import re

from gateway.feedback.mime import Header, Mail
from gateway.feedback.parsed import Form
from gateway.feedback.server_words import is_of_a_server

_VACATIONS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-response",
    "x-autoresponse",
    "x-mail-autoreply",
    "x-vacation",
    "x-auto-response-suppress",
)
"""Fields of vacation programs; the last is Exchange's, also in notes that somebody is away."""
_CHALLENGES = (
    "x-askversion",
    "x-ask-info",
    "x-bluebottle-request",
    "x-boxbe-message-id",
    "x-choicemail-registration-request",
    "x-spamarrest-verify",
    "x-tmda-fingerprint-challenge",
)
"""Fields of challenge-response programs."""
_CHALLENGERS = re.compile(
    r"boxbe|spam ?arrest|mailblocks|bitbounce|choicemail|mailinblack|bluebottle|knowspam|0spam"
    r"|active spam killer|spamblocker|sendio|antispam uol|vanquish",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:please |action required|to )?(?:confirm|verify|authenticate|approve)\b.{0,40}"
    r"\b(?:your|this|that) (?:message|mail|e-?mail|address|identity|sender)"
    r"|\(verification\)$|automatic allow request|\[sender verification\]",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"^(?:(?:re|aw|odp|tr|fwd?): ?){0,3}\W{0,5}(?:"
    r"(?:i am |i'm )?out of (?:the )?office|auto(?:matic|mated|mat)?[ -]?(?:reply|response)"
    r"|auto:|on vacation|vacation (?:note|notice|reply|message)"
    r"|away from (?:my|the) (?:mail|office)"
    r"|abwesen|automatische (?:antwort|abwesenheit)|r[ée]ponse automatique|absence du bureau"
    r"|respuesta autom|fuera de (?:la )?oficina|risposta automatica|fuori ufficio"
    r"|automatyczna odpowied|odpowied[zź] automatyczna|autoodpowied|poza biurem|nieobecno"
    r"|automatisch antwoord|afwezig|resposta autom|fora do escrit|автоответ|автоматический ответ"
    r"|automatick[áa] odpov|自[动動](?:回[复覆]|答复|応答|返信)"
    r"|auto ?svar|automatisk(?:t)? svar|fr[åa]nvaro|automaattinen vastaus"
    r")",
    re.IGNORECASE,
)


def read_automatic(mail: Mail) -> Form | None:
    """CHALLENGE, AUTO_REPLY or None."""
    header = mail.header
    sender, subject = header.text("from", 320), header.text("subject", 500)
    if _is_challenge(header, sender, subject):
        return Form.CHALLENGE
    if is_of_a_server(sender):  # they mark their bounces, too
        return None
    is_vacation = any(header.first(name) for name in _VACATIONS) or _AWAY.match(subject)
    return Form.AUTO_REPLY if is_vacation else None


def is_marked(header: Header) -> bool:
    """Whether it says that a program has written it as an answer (RFC 3834 section 5)."""
    submitted = header.first("auto-submitted").lower()
    if submitted and not submitted.startswith(b"no"):
        return True
    return _precedence(header) == b"auto_reply" or header.first("x-precedence") == b"auto_reply"


def says_automatic(header: Header) -> bool:
    """Whether a program says that it has written this, be it only to many."""
    return is_marked(header) or _precedence(header) in (b"bulk", b"junk")


def _precedence(header: Header) -> bytes:
    return header.first("precedence").lower()


def _is_challenge(header: Header, sender: str, subject: str) -> bool:
    if any(header.first(name) for name in _CHALLENGES):
        return True
    asks = bool(_ASKS.search(subject))
    by_program = bool(_CHALLENGERS.search(sender) or _CHALLENGERS.search(subject))
    is_tmda = header.first("x-delivery-agent").lower().startswith(b"tmda")
    return by_program or (asks and (is_tmda or is_marked(header)))
