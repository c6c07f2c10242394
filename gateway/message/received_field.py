"""The trace field we put on top of each message, and the date form it needs.

`Received: from <helo> ([ip]) by <host> with <protocol> id <ref>; <date>` (RFC 5321 section 4.4):
the client's name and address are in it because the next hop's abuse desk needs them, a recipient
never is. What the client called itself is shown only if it looks like a host name. Raises nothing.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9.:]{1,64}\]")


def received_field(
    helo: str, client: str, hostname: str, protocol: str, ref: str, now: float
) -> bytes:
    """The whole field. `client` is an IP address, `protocol` from `with_protocol`."""
    name = helo if _HOST.fullmatch(helo) else "unknown"
    literal = f"IPv6:{client}" if ":" in client else client
    return (
        f"Received: from {name} ([{literal}])\r\n"
        f"\tby {hostname} with {protocol} id {ref};\r\n"
        f"\t{rfc5322_date(int(now))}\r\n"
    ).encode("ascii")


def with_protocol(*, extended: bool, tls: bool, authenticated: bool, smtputf8: bool) -> str:
    """The `with` keyword (RFC 3848, RFC 6531 section 4.3); `extended` after EHLO."""
    if not extended:
        return "SMTP"
    base = "UTF8SMTP" if smtputf8 else "ESMTP"
    return base + "S" * tls + "A" * authenticated


@lru_cache(maxsize=8)
def rfc5322_date(now: int) -> str:
    """Unix seconds as a date-time of RFC 5322 section 3.3, in UTC whatever the locale says."""
    at = time.gmtime(now)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04d} "
        f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
    )
