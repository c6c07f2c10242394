"""The numbers that the journal's index knows an event by.

A name is 63 bits: two for its sort and 61 for what it is, so that a row of the index is short.
`names_of` gives those of one event; the other functions make the name to look for. Two
things may share a name, so what is found is compared. Refs keep their order, which keeps the
index's newest rows together. Pure; raises ValueError for a ref or key that is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress

from gateway.events import Event
from gateway.refs import ref_number

_BITS = 61
_MASK = (1 << _BITS) - 1
_REF, _KEY, _MESSAGE, _OTHER = (sort << _BITS for sort in range(4))


def ref_name(ref: str) -> int:
    """Of a transaction or session."""
    return _REF | ref_number(ref) & _MASK


def key_name(key: str) -> int:
    """Of a recipient, by the key's hex as events hold it."""
    return _KEY | int(key[:16], 16) & _MASK


def message_name(digest: str) -> int:
    """Of a Message-ID, by its digest."""
    return _MESSAGE | int(digest[:16], 16) & _MASK


def mailing_name(tenant: str, mailing: str) -> int:
    """Of one mailing of a tenant."""
    return _other("mailing", tenant, mailing)


def kind_name(tenant: str, kind: str) -> int:
    """Of a tenant's events of one kind."""
    return _other("kind", tenant, kind)


def case_name(case: str) -> int:
    """Of a case, by its id as people know it (C-000123)."""
    return _other("case", case)


def names_of(event: Event) -> set[int]:
    """Every name of an event as it stands in the journal; what is no ref or key names nothing."""
    found: set[int] = set()
    for text in (event.ref, event.session):
        with suppress(ValueError):
            found.add(ref_name(text.partition(".")[0]))
    if event.tenant:
        found.add(kind_name(event.tenant, event.kind))
        if event.mailing:
            found.add(mailing_name(event.tenant, event.mailing))
    detail = event.detail
    _add(found, _KEY, detail.get("key"))
    _add(found, _MESSAGE, detail.get("message_id"))
    if isinstance(case := detail.get("case"), str) and case:
        found.add(case_name(case))
    listed = detail.get("recipients")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping):
            _add(found, _KEY, entry.get("key"))
    return found


def _add(found: set[int], sort: int, value: object) -> None:
    if isinstance(value, str):
        try:
            found.add(sort | int(value[:16], 16) & _MASK)
        except ValueError:
            return


def _other(*parts: str) -> int:
    octets = "\0".join(parts).encode("utf-8", "replace")
    digest = hashlib.blake2b(octets, digest_size=8).digest()
    return _OTHER | int.from_bytes(digest) & _MASK
