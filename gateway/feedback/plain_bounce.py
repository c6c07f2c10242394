"""Reads bounces without a status part: the words of mail servers, for people.

`read_plain_bounce` takes a mail and gives `BounceMail`, or None for one that is no bounce. It is
asked before automatic.py, as bounces, too, call themselves `auto-replied`. Never raises.
"""

from __future__ import annotations

from gateway.feedback.mime import Mail
from gateway.feedback.server_words import BounceMail


def read_plain_bounce(mail: Mail) -> BounceMail | None:
    """What it reports, with at least one recipient."""
    return None
