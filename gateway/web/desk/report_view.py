"""What a report says, set out for people: the parsed view, and the raw one once it is revealed.

`seen` takes what was sealed with a report and gives `Seen`: who reports what, about whom, where
tokens of ours stood, the machine's fields and those of our mail that came back. Addresses are
masked and tokens cut short until `is_revealed`; only then is there a raw view. All of it is what
strangers wrote, as text of bounded length. `graded_for` says why a report has its grade. Pure;
raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.feedback import mime
from gateway.feedback.mime import decoded, lines, read_header, shown
from gateway.records.report_store import BOUNCE, StoredReport
from policies.sanctions.words import Grade
from suppression.masking import mask

MAX_VALUE = 500
"""Characters of a field that the parsed view shows; the raw one has the rest."""
MAX_SHOWN = 100
"""Fields that it shows."""
MAX_RAW = 65_536
ORIGINAL = (
    *("from", "subject", "date", "message-id", "return-path", "list-id", "list-unsubscribe"),
    *("feedback-id", "cfbl-address", "cfbl-feedback-id", "consentry-trace"),
)
"""Fields of our mail that say which mail it was; to whom it went stands with the recipients."""
OWN = frozenset(
    {"form", "from", "subject", "text", "trouble", "recipients", "fields", "tokens", "contradicts"}
    | {"reporter", "incidents"}
)
"""What the intake says of a mail; staff who take a report say other things."""
OF_MAILING = "feedback-id"
"""The place whose token names no recipient."""
_TOKEN = re.compile(r"(?<![0-9a-z])[a-z2-7]{46}([a-z2-7]{6})(?![0-9a-z])", re.IGNORECASE)

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything there is to read; empty: not said. `address` complains, `recipients` are all that
    were stated. `tokens` are the places where tokens stood, with whether they are ours; `original`
    and `fields` are names and values; `more` is what staff wrote who took it. `raw` and
    `raw_original` are header sections as they came, "" until they are revealed."""

    address: str = ""
    sender: str = ""
    reporter: str = ""
    subject: str = ""
    text: str = ""
    trouble: str = ""
    incidents: int = 1
    recipients: tuple[str, ...] = ()
    tokens: tuple[tuple[str, bool], ...] = ()
    contradicts: bool = False
    fields: Pairs = ()
    original: Pairs = ()
    more: Pairs = ()
    raw: str = ""
    raw_original: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was sealed with it."""
        return self == Seen()


def seen(words: Mapping[str, object] | None, is_revealed: bool) -> Seen:
    """`words` is what `words_of` gives, None for nothing."""
    if words is None:
        return Seen()
    inner = words.get("said")
    said: Mapping[str, object] = inner if isinstance(inner, Mapping) else {}

    def plain(value: object) -> str:
        text = value if isinstance(value, str) else str(value or "")
        return text if is_revealed else _TOKEN.sub("\N{HORIZONTAL ELLIPSIS}\\1", mask(text))

    def pairs(name: str) -> list[tuple[str, object]]:
        listed = said.get(name)
        return [(str(one[0]), one[1]) for one in listed] if isinstance(listed, list) else []

    def raw(name: str) -> bytes:
        return str(words.get(name, "")).encode("latin-1", "replace")

    header = read_header(raw("original"))
    recipients = said.get("recipients")
    incidents = said.get("incidents")
    return Seen(
        address=plain(words.get("address")),
        sender=plain(said.get("from")),
        reporter=plain(said.get("reporter")),
        subject=plain(said.get("subject")),
        text=plain(said.get("text")),
        trouble=plain(said.get("trouble")),
        incidents=incidents if isinstance(incidents, int) else 1,
        recipients=tuple(map(plain, recipients)) if isinstance(recipients, list) else (),
        tokens=tuple((place, bool(is_ours)) for place, is_ours in pairs("tokens")),
        contradicts=bool(said.get("contradicts")),
        # Masked before they are cut: what is left of an address is none.
        fields=tuple(
            (name, plain(value)[:MAX_VALUE]) for name, value in pairs("fields")[:MAX_SHOWN]
        ),
        original=tuple(
            (name, plain(shown(decoded(value), mime.MAX_VALUE))[:MAX_VALUE])
            for name, value in header.fields
            if name in ORIGINAL
        )[:MAX_SHOWN],
        more=tuple((name, plain(value)) for name, value in said.items() if name not in OWN),
        raw=_raw(raw("raw")) if is_revealed else "",
        raw_original=_raw(raw("original")) if is_revealed else "",
    )


def graded_for(report: StoredReport, seen: Seen, is_signed: bool) -> str:
    """The name of the sentence that says why it has its grade; "" when staff took it, when its
    words are gone or when its tokens say it themselves. `is_signed`: a listed source has signed
    it."""
    if not report.form or seen.is_empty:
        return ""
    ours = {place for place, is_ours in seen.tokens if is_ours and not seen.contradicts}
    if report.type == BOUNCE:
        return "graded_bounce"
    match report.grade:
        case Grade.A:
            return "graded_A"
        case Grade.B | Grade.C if ours == {OF_MAILING}:
            return "graded_mailing"
        case Grade.B:
            return "graded_envelope" if is_signed else "graded_B"
        case Grade.C:
            return "graded_words" if ours else "graded_C"
        case Grade.D:
            return "" if seen.contradicts else "graded_D"


def _raw(octets: bytes) -> str:
    return lines(octets.decode("utf-8", "replace"), MAX_RAW)
