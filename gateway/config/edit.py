"""Changes tenant files the way a careful operator would: comments kept, checked, then swapped in.

Every function takes the configuration in force, changes one tenant's file and gives nothing back
(or the generated text). Raises ConfigurationError when the tenant is unknown or the result would
not load; the file is then as it was. The running gateway sees a change at its next reload.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from argon2 import PasswordHasher
from pydantic import ValidationError

from gateway.config import splice, write
from gateway.config.document import Unreadable
from gateway.config.load import Loaded, inspect, read_tenant
from gateway.config.tenant import Confirmation, LoginSettings, TenantConfig
from gateway.config.values import NAME
from gateway.errors import ConfigurationError
from policies.terms import TenantState

LEAST_PASSWORD = 12
Update = dict[str, object]
ALPHABET = string.ascii_letters + string.digits


def hash_password(password: str) -> str:
    """The Argon2id hash for a tenant file; raises ConfigurationError for an unfit password."""
    if len(password) < LEAST_PASSWORD:
        raise ConfigurationError(f"a password needs at least {LEAST_PASSWORD} characters")
    if not password.isprintable():
        raise ConfigurationError("a password may not have control characters")
    return PasswordHasher().hash(password)


def new_password() -> str:
    """A password of 24 random letters and digits (142 bits), safe on any command line."""
    return "".join(secrets.choice(ALPHABET) for _ in range(24))


def set_password(loaded: Loaded, tenant: str, login: str, password_hash: str) -> bool:
    """Give `login` a new hash; True when the tenant had none of that name and it was added."""
    for owner, other in loaded.tenants.items():
        if owner != tenant and any(known.name == login for known in other.logins):
            raise ConfigurationError(f"tenant {owner} has the login {login} already")
    added = all(known.name != login for known in _tenant(loaded, tenant).logins)

    def change(text: str, before: TenantConfig) -> tuple[str, Update]:
        names = [known.name for known in before.logins]
        if login in names:
            at = names.index(login)
            logins = list(before.logins)
            logins[at] = logins[at].model_copy(update={"password_hash": password_hash})
            text = splice.set_value(text, ("logins", at, "password_hash"), password_hash)
            return text, {"logins": tuple(logins)}
        entry = {"name": login, "password_hash": password_hash}
        new = LoginSettings.model_validate(entry)
        return splice.append(text, "logins", entry), {"logins": (*before.logins, new)}

    _edit(loaded, tenant, change)
    return added


def set_state(loaded: Loaded, tenant: str, state: TenantState) -> None:
    """Write the tenant's state."""

    def change(text: str, before: TenantConfig) -> tuple[str, Update]:
        return splice.set_value(text, ("state",), state.value), {"state": state}

    _edit(loaded, tenant, change)


def open_tenant(loaded: Loaded, tenant: str, confirmation: str, by: str, now: datetime) -> None:
    """Record what the customer confirmed and open sending for it."""
    entry = {"what": confirmation, "recorded_at": now.isoformat(timespec="seconds"), "by": by}

    def change(text: str, before: TenantConfig) -> tuple[str, Update]:
        text = splice.append(text, "confirmations", entry)
        text = splice.set_value(text, ("state",), TenantState.OPEN.value)
        recorded = (*before.confirmations, Confirmation.model_validate(entry))
        return text, {"state": TenantState.OPEN, "confirmations": recorded}

    _edit(loaded, tenant, change)


def add_tenant(loaded: Loaded, name: str, text: str) -> Path:
    """Write a new tenant's file and check the whole; takes it away again when that fails."""
    if not re.fullmatch(NAME, name):  # it becomes part of a path
        raise ConfigurationError(f"{name!r}: a tenant's name has a-z, 0-9 and hyphens only")
    path = loaded.config.tenants_dir / f"{name}.yaml"
    with _alone(loaded.config.tenants_dir):
        try:
            write.create(path, text.encode())
        except FileExistsError:
            raise ConfigurationError(f"{path} exists already") from None
        errors = inspect(loaded.path).errors
        if errors:
            path.unlink()
            raise ConfigurationError("\n".join(map(str, errors)))
    return path


def _tenant(loaded: Loaded, name: str) -> TenantConfig:
    if name not in loaded.tenants:
        known = ", ".join(loaded.tenants) or "none yet"
        raise ConfigurationError(f"there is no tenant {name}; there is {known}")
    return loaded.tenants[name]


def _edit(
    loaded: Loaded, tenant: str, change: Callable[[str, TenantConfig], tuple[str, Update]]
) -> None:
    """Swap in the changed text once it reads as the old tenant with just the update."""
    _tenant(loaded, tenant)
    path = loaded.config.tenants_dir / f"{tenant}.yaml"
    with _alone(path.parent):
        try:
            text = path.read_text(encoding="utf-8")
            before = read_tenant(loaded.path, path, text)
            after, update = change(text, before)
            is_as_meant = read_tenant(loaded.path, path, after) == before.model_copy(update=update)
        except (Unreadable, ValidationError) as error:
            raise ConfigurationError(f"{path} is left as it was: {error}") from None
        if not is_as_meant:
            raise ConfigurationError(f"{path} is written in a way that only you can change safely")
        write.replace(path, after.encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One editor at a time: two at once would each undo what the other wrote."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
