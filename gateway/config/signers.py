"""The DKIM keys of the tenants' sender domains, read from their files, and which signs for whom.

Takes the tenants' settings, gives signers by sender domain (A-label, or `*.parent`). Raises
ConfigurationError for a file that cannot be read or holds no key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gateway.config.dkim import DkimKey
from gateway.config.keyfiles import octets
from gateway.config.tenant import TenantConfig
from gateway.message.dkim import Signer
from gateway.message.dkim_keys import load_key

T = TypeVar("T")
Signers = Mapping[str, Sequence[Signer]]


def signers_of(tenants: Mapping[str, TenantConfig]) -> Signers:
    """Every domain's signers; none for a domain with `dkim: none`."""
    return {
        domain: signers_of_keys(domain.removeprefix("*."), settings.keys)
        for tenant in tenants.values()
        for domain, settings in tenant.domains.items()
    }


def signers_of_keys(domain: str, keys: Sequence[DkimKey]) -> tuple[Signer, ...]:
    """The signers of one domain (A-label)."""
    return tuple(Signer(domain, key.selector, load_key(octets(key.key_file))) for key in keys)


def signers_for(signers: Signers, domain: str) -> Sequence[Signer]:
    """The keys that sign for `domain`; none when it is nobody's."""
    return covering(signers, domain) or ()


def covering(domains: Mapping[str, T], domain: str) -> T | None:
    """What is said of `domain` (A-label) itself, else of a `*.parent` that it is under."""
    found = domains.get(domain)
    parent = domain
    while found is None and "." in parent:
        parent = parent.partition(".")[2]
        found = domains.get(f"*.{parent}")
    return found
