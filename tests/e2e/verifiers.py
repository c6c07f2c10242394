"""Two DKIM verifiers that we did not write, in two languages: dkimpy and Perl's Mail::DKIM.

Both take public keys from a mapping `selector._domainkey.domain` → TXT record instead of DNS, and
give one `Signature` for each DKIM-Signature field. The packaged Mail::DKIM knows RSA only and
calls an Ed25519 signature invalid, as RFC 8463 lets it; dkimpy checks both.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dkim

SCRIPT = Path(__file__).with_name("dkim_verify.pl")


@dataclass(frozen=True, slots=True)
class Signature:
    """What one verifier says of one signature; `algorithm` as in the a= tag."""

    domain: str
    selector: str
    algorithm: str
    is_valid: bool
    detail: str = ""


def txt(record: str) -> str:
    """A TXT record's data as a resolver's user gets it: its quoted strings put together."""
    return record.replace('" "', "").strip('"')


def by_dkimpy(raw: bytes, keys: Mapping[str, str]) -> list[Signature]:
    """dkimpy's verdict on each signature of `raw`."""

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        text = keys.get(name.decode().rstrip("."))
        return None if text is None else text.encode()

    found = []
    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(raw).headers)
    for index in range(count):
        verifier = dkim.DKIM(raw)
        try:
            is_valid, detail = verifier.verify(idx=index, dnsfunc=look_up), ""
        except dkim.DKIMException as error:
            is_valid, detail = False, f"{type(error).__name__}: {error}"
        fields = {name: value.decode() for name, value in verifier.signature_fields.items()}
        found.append(Signature(fields[b"d"], fields[b"s"], fields[b"a"], is_valid, detail))
    return found


def by_perl(raw: bytes, keys: Mapping[str, str]) -> list[Signature]:
    """Mail::DKIM's verdict on each signature of `raw`."""
    records = [f"{name}={text}" for name, text in keys.items()]
    done = subprocess.run(
        ["perl", str(SCRIPT), *records], check=True, input=raw, stdout=subprocess.PIPE, timeout=60
    )
    found = []
    for line in done.stdout.decode().splitlines():
        domain, selector, algorithm, result, detail = line.split("\t")
        found.append(Signature(domain, selector, algorithm, result == "pass", detail))
    return found
