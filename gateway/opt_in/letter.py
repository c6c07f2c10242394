"""The confirmation mail: composed from a proof, signed, the same octets for the same input.

Takes a `Draft`, gives `Composed`: Message-ID, exact octets, their SHA-256. Text and HTML say the
same; neither loads anything from anywhere. Every text that a tenant or a person wrote is encoded or
escaped, so that none ends a header field or an element early. Raises SigningFailed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.message.body import RelaxedBodyHash
from gateway.message.composing import encoded, quoted_printable
from gateway.message.dkim import Signer, sign
from gateway.message.received_field import rfc5322_date
from gateway.opt_in.texts import TEXTS
from gateway.records.proof_mailing import Letter

TRACKING_FIELD = "X-Consent-Number"
"""The proof's tracking number; it names the proof, and only a token can confirm it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """All that one mail is made of. Instants are Unix seconds.

    `sender` is the From address, `sender_name` and `list_name` what recipients know both as;
    `number` the tracking number; `until` when the link ends, `asked_at` when a form was filled in,
    `mailed_at` when the question went out (for a reminder).
    """

    letter: Letter
    language: str
    sender: str
    sender_name: str
    list_name: str
    address: str
    text: str
    link: str
    privacy: str
    number: str
    hostname: str
    at: int
    until: int
    asked_at: int | None = None
    mailed_at: int | None = None

    @property
    def message_id(self) -> str:
        """The same for every try of one mail."""
        return f"<{self.number}.{self.letter}@{self.hostname}>"


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail as it goes to the next hop."""

    message_id: str
    octets: bytes

    @property
    def sha256(self) -> str:
        """Of the exact octets, in hex."""
        return sha256(self.octets).hexdigest()


_TEMPLATES = Environment(
    loader=PackageLoader("gateway.opt_in"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(draft: Draft, signers: Sequence[Signer]) -> Composed:
    """The whole mail, signed by each of `signers`."""
    words = _words(draft)
    plain = "\n\n".join(_paragraphs(draft, words)) + "\n"
    html = _TEMPLATES.get_template("letter.html").render(
        language=draft.language, t=words, text=draft.text, link=draft.link, privacy=draft.privacy
    )
    # Nobody can write a text that holds the hash of itself, so no line of it ends the part.
    boundary = f"={sha256((draft.number + plain).encode()).hexdigest()[:32]}"
    body = b"".join(
        (
            _part(boundary, "text/plain", plain),
            _part(boundary, "text/html", html),
            f"--{boundary}--\r\n".encode("ascii"),
        )
    )
    header = _header(draft, words["subject"], boundary)
    body_hash = RelaxedBodyHash()
    body_hash.add(body)
    signed = sign(signers, header, body_hash.digest(), draft.at)
    return Composed(draft.message_id, b"".join((signed, header, b"\r\n", body)))


def _words(draft: Draft) -> dict[str, str]:
    """The language's texts with everything filled in; "" for what this mail does not say."""
    values = {
        "sender": draft.sender_name,
        "list": draft.list_name,
        "address": draft.address,
        "number": draft.number,
        "until": _shown(draft.until),
    }
    texts = TEXTS[draft.language]
    words = {
        name: texts[name].format(**values)
        for name in ("hello", "asked", "agree", "button", "press", "until", "not_me", "privacy")
    }
    words["number"] = texts["number"].format(**values)
    words["subject"] = texts[f"subject_{draft.letter}"].format(**values)
    words["asked_when"] = words["reminder"] = ""
    if draft.asked_at is not None:
        words["asked_when"] = texts["asked_when"].format(when=_shown(draft.asked_at))
    if draft.letter is Letter.REMINDER and draft.mailed_at is not None:
        words["reminder"] = texts["reminder"].format(when=_shown(draft.mailed_at))
    return words


def _paragraphs(draft: Draft, words: dict[str, str]) -> list[str]:
    quoted = "\n".join(f"    {line}" for line in draft.text.splitlines())
    found = [
        words["hello"],
        f"{words['asked']} {words['asked_when']}".strip(),
        words["reminder"],
        words["agree"],
        quoted,
        f"{words['press']}\n{draft.link}",
        f"{words['until']} {words['not_me']}",
        f"{words['privacy']}\n{draft.privacy}",
        words["number"],
    ]
    return [paragraph for paragraph in found if paragraph]


def _header(draft: Draft, subject: str, boundary: str) -> bytes:
    """The header section. Auto-Submitted keeps vacation replies away (RFC 3834 section 5)."""
    sender = f"{encoded(draft.sender_name, 'From', is_phrase=True)} <{draft.sender}>"
    fields = [
        f"From: {sender}",
        f"To: <{draft.address}>",
        f"Subject: {encoded(subject, 'Subject')}",
        f"Date: {rfc5322_date(draft.at)}",
        f"Message-ID: {draft.message_id}",
        "Auto-Submitted: auto-generated",
        f"Content-Language: {draft.language}",
        f"{TRACKING_FIELD}: {draft.number}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative;\r\n\tboundary="{boundary}"',
    ]
    return "".join(f"{field}\r\n" for field in fields).encode()


def _part(boundary: str, kind: str, text: str) -> bytes:
    head = (
        f"--{boundary}\r\nContent-Type: {kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return head.encode("ascii") + quoted_printable(text) + b"\r\n"


def _shown(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
