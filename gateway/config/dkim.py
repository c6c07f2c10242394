"""One DKIM key as the configuration names it: of a sender domain, or of notices."""

from __future__ import annotations

from pydantic import Field

from gateway.config.values import Domain, Location, Settings


class DkimKey(Settings):
    """One signing key of a sender domain; with several, every message is signed by each."""

    selector: Domain = Field(description="Its DNS record is at `<selector>._domainkey.<domain>`.")
    key_file: Location = Field(description="PEM file: RSA of at least 2048 bits, or Ed25519.")
