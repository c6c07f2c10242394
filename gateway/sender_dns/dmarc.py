"""The DMARC policy that holds for a sender domain (RFC 7489 sections 6.3 and 6.6.3).

A domain without a record of its own falls back to its organisation's. Where an organisation ends
RFC 7489 leaves to a list of public suffixes, which goes stale where it is installed; the parents
are walked in its place, as the later drafts of the standard do: the record nearest the top counts,
below one that says `psd=y`. A top-level domain is never asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sender_dns.findings import Finding
from gateway.sender_dns.lookups import Lookups
from gateway.sender_dns.tags import read_tags
from gateway.sender_dns.texts import Say

MOST_PARENTS = 7
_POLICIES = ("none", "quarantine", "reject")


async def check(lookups: Lookups, domain: str, *, signs_below: bool = False) -> Finding:
    """What holds for `domain` (A-label), or with `signs_below` for all under it.

    Raises Unanswered.
    """
    own = _name(domain)
    records = await _records(lookups, own)
    if records:
        return judge(own, records, is_below=signs_below, signs_below=signs_below)
    found: Finding | None = None
    labels = domain.split(".")
    for first in range(max(1, len(labels) - MOST_PARENTS), len(labels) - 1):
        name = _name(".".join(labels[first:]))
        records = await _records(lookups, name)
        if any(_is_public_suffix(record) for record in records):
            break
        if records:
            found = judge(name, records, is_below=True, signs_below=signs_below)
    return found or Finding(own, Say.DMARC_MISSING)


def judge(name: str, records: Sequence[str], *, is_below: bool, signs_below: bool) -> Finding:
    """What DMARC records at `name` say; `is_below` for a subdomain of where they stand."""
    if len(records) > 1:
        return Finding(name, Say.DMARC_SEVERAL, records[0], {"count": str(len(records))})
    (record,) = records
    try:
        tags = read_tags(record)
        policy = _policy(tags, "sp" if is_below and "sp" in tags else "p")
    except ValueError as error:
        return Finding(name, Say.DMARC_BROKEN, record, {"why": str(error)})
    if signs_below and tags.get("adkim", "r").lower() == "s":
        return Finding(name, Say.DMARC_STRICT, record)
    if policy == "none":
        return Finding(name, Say.DMARC_WATCHES, record)
    return Finding(name, Say.DMARC_OK, record, {"policy": policy})


def _policy(tags: dict[str, str], tag: str) -> str:
    """The policy in `tag`; a record without a valid one still asks for reports (section 6.6.3)."""
    policy = tags.get(tag, "").lower()
    if policy in _POLICIES:
        return policy
    if tags.get("rua"):
        return "none"
    raise ValueError(f"{tag}={tags.get(tag, '')}")


def _name(domain: str) -> str:
    return f"_dmarc.{domain}"


async def _records(lookups: Lookups, name: str) -> list[str]:
    """The TXT records that are DMARC's: those that begin with `v=DMARC1`."""
    found = []
    for text in await lookups.texts(name):
        version, _, _ = text.partition(";")
        tag, _, value = version.partition("=")
        if tag.strip() == "v" and value.strip() == "DMARC1":
            found.append(text)
    return found


def _is_public_suffix(record: str) -> bool:
    try:
        return read_tags(record).get("psd", "").lower() == "y"
    except ValueError:
        return False
