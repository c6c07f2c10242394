"""The ESMTP parameters of MAIL that EHLO announces: SIZE, BODY, SMTPUTF8, AUTH.

SIZE is RFC 1870, BODY RFC 6152, SMTPUTF8 RFC 6531, AUTH RFC 4954 section 5 (taken and ignored, as
that section has a server do that trusts no other's word). Anything else is refused with 555.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway import replies
from gateway.reply import Reply
from gateway.words import Body

SIZE_DIGITS = 20


class ParameterError(Exception):
    """A parameter that cannot be taken, with the reply it deserves."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class EnvelopeParameters:
    """What MAIL said besides the sender; `size` in octets as the customer counted them."""

    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False


_NONE = EnvelopeParameters()


def read_mail_parameters(given: Mapping[str, str | None]) -> EnvelopeParameters:
    """The parameters with their meaning. Raises `ParameterError`."""
    if not given:
        return _NONE
    size, body, smtputf8 = None, Body.SEVEN_BIT, False
    for name, value in given.items():
        match name:
            case "SIZE":
                if not value or not value.isascii() or not value.isdigit():
                    raise ParameterError(replies.ARGUMENTS.fill(problem="SIZE is not a number"))
                if len(value) > SIZE_DIGITS:
                    raise ParameterError(replies.ARGUMENTS.fill(problem="SIZE is too long"))
                size = int(value)
            case "BODY":
                try:
                    body = Body((value or "").upper())
                except ValueError:
                    problem = "BODY is 7BIT or 8BITMIME"
                    raise ParameterError(replies.ARGUMENTS.fill(problem=problem)) from None
            case "SMTPUTF8":
                if value is not None:
                    problem = "SMTPUTF8 takes no value"
                    raise ParameterError(replies.ARGUMENTS.fill(problem=problem))
                smtputf8 = True
            case "AUTH":
                continue
            case _:
                raise ParameterError(replies.PARAMETER.fill(name=name))
    return EnvelopeParameters(size, body, smtputf8)
