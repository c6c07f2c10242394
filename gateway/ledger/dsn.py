"""The bounce: a header-only delivery status notification (RFC 3461, 3462, 3464; RFC 6533).

Made when some recipients were taken and others refused: the refused ones are named to MAIL FROM
instead of refusing the whole message. Three parts: plain words, the delivery status, and the
original header section without Bcc and without our control fields; never a body. Takes texts and
octets, gives header (with the empty line) and body blocks for a copy with MAIL FROM:<>. Built by
hand, line by line: every control character becomes `?`, and without SMTPUTF8 so does all that is
not ASCII, so nothing in it can end a line or a part early. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256

from gateway.reply import MAX_TEXT, Reply

_SAFE = bytes(ord("?") if (c < 32 and c != 9) or c == 127 else c for c in range(256))
_HIDDEN = (b"bcc:", b"bcc ", b"bcc\t", b"x-consentry-")
_TEXT = """\
This is the mail gateway at {hostname}.

Your message was taken for some of its recipients, but the ones below were
refused for good. Nothing further will be tried for them.
"""


@dataclass(frozen=True, slots=True)
class Original:
    """The message that bounces: ref, MAIL FROM, header as received, Unix time of arrival."""

    ref: str
    sender: str
    header: bytes
    arrived_at: float
    smtputf8: bool = False


def delivery_notice(
    original: Original, refused: Sequence[tuple[str, Reply]], hostname: str, now: float
) -> tuple[bytes, tuple[bytes, ...]]:
    """Header and body blocks of the DSN for `refused` (address and reply of each, at least one).

    With `original.smtputf8` the global forms of RFC 6533 are used, and the DSN needs SMTPUTF8.
    """
    if original.smtputf8:
        charset, bits, status_type = "utf-8", "8bit", "message/global-delivery-status"
        header_type = "message/global-headers"
    else:
        charset, bits, status_type = "us-ascii", "7bit", "message/delivery-status"
        header_type = "text/rfc822-headers"
    copied = list(_visible(original.header, charset))
    # Nobody can write a header that holds the hash of itself, so no line of it ends the part.
    boundary = f"={sha256(original.ref.encode() + original.header).hexdigest()[:32]}"
    header = [
        f"From: Mail gateway <MAILER-DAEMON@{hostname}>",
        f"To: <{original.sender}>",
        f"Date: {formatdate(now)}",
        f"Message-ID: <{original.ref}.dsn@{hostname}>",
        "Subject: Undeliverable: some recipients were refused",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        f"Content-Transfer-Encoding: {bits}",
        "",
    ]
    text = [
        *_opening(boundary, f"text/plain; charset={charset}", bits),
        *_TEXT.format(hostname=hostname).splitlines(),
        *(line for address, reply in refused for line in ("", f"  {address}", f"  {_said(reply)}")),
        "",
        f"The header of your message is attached. Reference: {original.ref}",
    ]
    status = [
        *_opening(boundary, status_type, bits),
        f"Reporting-MTA: dns; {hostname}",
        f"Arrival-Date: {formatdate(original.arrived_at)}",
    ]
    for address, reply in refused:
        status += [
            "",
            f"Final-Recipient: {'rfc822' if address.isascii() else 'utf-8'}; {address}",
            "Action: failed",
            f"Status: {reply.enhanced or '5.0.0'}",
            f"Diagnostic-Code: smtp; {_said(reply)}",
        ]
    body = [
        *_safe([*text, *status, *_opening(boundary, header_type, bits)], charset),
        *copied,
        *_safe(["", f"--{boundary}--"], charset),
    ]
    return _join(_safe(header, charset)), (_join(body),)


def _opening(boundary: str, content_type: str, bits: str) -> list[str]:
    return [
        "",
        f"--{boundary}",
        f"Content-Type: {content_type}",
        f"Content-Transfer-Encoding: {bits}",
        "",
    ]


def _said(reply: Reply) -> str:
    return f"{reply.code} {reply.enhanced} {reply.text[:MAX_TEXT]}"


def _visible(header: bytes, charset: str) -> Iterable[bytes]:
    """The original's lines without the fields that its recipients must not see."""
    is_hidden = False
    shown = []
    for line in header.removesuffix(b"\r\n").split(b"\r\n"):
        if line[:1] not in (b" ", b"\t"):
            is_hidden = line.lower().startswith(_HIDDEN)
        if not is_hidden:
            shown.append(line.decode("utf-8", "replace"))
    return _safe(shown, charset)


def _safe(lines: Iterable[str], charset: str) -> list[bytes]:
    return [line.encode(charset, "replace").translate(_SAFE) for line in lines]


def _join(lines: Iterable[bytes]) -> bytes:
    return b"".join([line + b"\r\n" for line in lines])
