"""`consentry init`: a first configuration folder with its keys, ready to start and to read.

Makes the keyring, a self-signed certificate, a DKIM key and a login's password on the spot, all
secrets with mode 0600. Overwrites nothing: raises ConfigurationError when a file is there already,
before anything is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.config import write
from gateway.config.certificate import self_signed
from gateway.config.edit import hash_password, new_password
from gateway.config.templates import TenantDraft, gateway_yaml, tenant_yaml
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import KeyKind, new_key
from gateway.words import StreamKind
from policies.terms import TenantState
from suppression.keys import Keyring

TENANT = "example"
DOMAIN = "customer.example"
SELECTOR = "consentry"


@dataclass(frozen=True, slots=True)
class Example:
    """What was made. The password is nowhere else."""

    files: tuple[Path, ...]
    login: str
    password: str


def write_example(folder: Path, hostname: str) -> Example:
    """Fill `folder` for a gateway called `hostname` (A-label)."""
    password = new_password()
    certificate, key = self_signed(hostname)
    dkim_key = f"keys/dkim/{DOMAIN}.{SELECTOR}.pem"
    draft = TenantDraft(
        name=TENANT,
        state=TenantState.STARTER,
        streams={
            "weekly": StreamKind.LIST,
            "orders": StreamKind.TRANSACTIONAL,
            "offers": StreamKind.INQUIRY,
        },
        dkim={DOMAIN: dkim_key},
        selector=SELECTOR,
        login=TENANT,
        password_hash=hash_password(password),
    )
    contents = {
        "consentry.yaml": gateway_yaml(hostname).encode(),
        f"tenants/{TENANT}.yaml": tenant_yaml(draft).encode(),
        "keys/gateway.crt": certificate,
        "keys/gateway.key": key,
        dkim_key: new_key(KeyKind.RSA),
    }
    keyring = folder / "keys/keyring.json"
    files = tuple(folder / name for name in contents)
    for path in (*files, keyring):
        if path.exists():
            raise ConfigurationError(f"{path} exists already; nothing was written")
    for path, content in zip(files, contents.values(), strict=True):
        write.create(path, content)
    Keyring.create(keyring)
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return Example((*files, keyring), TENANT, password)
