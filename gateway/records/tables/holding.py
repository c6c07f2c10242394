"""What a table's declaration is made of, and the words that many declarations share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """One table: why it is there, what ends its rows, and what each field is.

    `settings` are keys of `retention`; `kept` the words for what they do not say.
    """

    why: str
    fields: dict[str, str]
    settings: tuple[str, ...] = ()
    kept: str = ""


KEY = "keyed hash of an address or domain; by itself it tells nobody whose"
SEALED = "number of the encrypted text that holds the address"
ROW = "row number"
SCOPE = "number of the tenant or list it holds for"
ACTOR = "who did it: a member of staff, an API token, or `recipient`"
