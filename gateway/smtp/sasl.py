"""AUTH PLAIN (RFC 4616) and AUTH LOGIN as sans-I/O exchanges: lines in, credentials out."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from gateway import replies
from gateway.reply import Reply

MECHANISMS = frozenset({"PLAIN", "LOGIN"})
_USERNAME = "334 VXNlcm5hbWU6\r\n"
_PASSWORD = "334 UGFzc3dvcmQ6\r\n"  # noqa: S105  # the challenge, not a password


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the customer claims. `login` is `name` or `name/stream`."""

    login: str
    password: str


class Exchange:
    """One AUTH exchange. Each step gives a challenge to send, credentials, or a refusal."""

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._login: str | None = None

    def begin(self, initial: str | None) -> str | Credentials | Reply:
        """The first step; `initial` is the initial response of the AUTH line, if any."""
        if self._mechanism not in MECHANISMS:
            return replies.AUTH_MECHANISM
        if initial is None:
            return "334 \r\n" if self._mechanism == "PLAIN" else _USERNAME
        return self.answer("" if initial == "=" else initial)

    def answer(self, line: str) -> str | Credentials | Reply:
        """The customer's next line, still base64; `*` cancels (RFC 4954 section 4)."""
        if line == "*":
            return replies.AUTH_CANCELLED
        try:
            text = base64.b64decode(line, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return replies.AUTH_ENCODING
        if self._mechanism == "PLAIN":
            identity, _, rest = text.partition("\0")
            login, separator, password = rest.partition("\0")
            if not separator or "\0" in password:
                return replies.AUTH_ENCODING
            # An identity to act as must be the login itself: nobody sends for somebody else.
            return replies.AUTH if identity not in ("", login) else Credentials(login, password)
        if self._login is None:
            self._login = text
            return _PASSWORD
        return Credentials(self._login, text)
