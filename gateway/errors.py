"""Exceptions that cross module borders, each saying whose fault it is.

`ConfigurationError` is the operator's, `StoreUnavailable` and `SigningFailed` are ours (and
therefore always end as a 4xx), `NextHopError` is the next hop's. Nothing else is caught by name
outside the module that raises it.
"""

from __future__ import annotations


class ConsentryError(Exception):
    """Base of every exception this project raises on purpose."""


class ConfigurationError(ConsentryError):
    """The operator's files do not say what they should; the text names file, line and key."""


class StoreUnavailable(ConsentryError):
    """State or records could not answer; the customer gets 451 4.3.0 [TEMP], never a pass."""


class JournalUnwritable(ConsentryError):
    """Intent file or journal cannot be written; the customer gets 452 4.3.1 [STORAGE]."""


class SigningFailed(ConsentryError):
    """A DKIM key would not sign; the customer gets 451, never unsigned mail."""


class AddressSyntaxError(ConsentryError, ValueError):
    """A mailbox or path does not follow RFC 5321 section 4.1.2."""


class HeaderSyntaxError(ConsentryError, ValueError):
    """A message's header section is malformed; the text says what to mend."""
