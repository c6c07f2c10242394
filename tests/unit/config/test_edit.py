"""Tenant files changed safely."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher

from gateway.config import edit, write
from gateway.errors import ConfigurationError
from policies.terms import TenantState

NOW = datetime(2030, 1, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def new_hash() -> str:
    return edit.hash_password("correct horse battery")


def test_a_password_is_changed_and_nothing_else(folder, new_hash: str) -> None:
    """The login has the new hash; every other line of the file is as it was, mode 0600."""
    before = folder.tenant.read_text().splitlines()
    assert not edit.set_password(folder.load(), "example", "example", new_hash)
    after = folder.tenant.read_text().splitlines()
    assert [old for old, new in zip(before, after, strict=True) if old != new] == [
        line for line in before if "password_hash" in line
    ]
    assert folder.load().tenants["example"].logins[0].password_hash == new_hash
    assert folder.tenant.stat().st_mode & 0o777 == 0o600


def test_a_login_is_added(folder, new_hash: str) -> None:
    """A login that the tenant does not have is added beside the others."""
    assert edit.set_password(folder.load(), "example", "second", new_hash)
    logins = folder.load().tenants["example"].logins
    assert [login.name for login in logins] == ["example", "second"]


def test_a_login_of_another_tenant_is_refused(folder, new_hash: str) -> None:
    """Logins are unique over all tenants."""
    loaded = folder.load()
    text = folder.tenant.read_text().replace("customer.example:", "other.example:")
    edit.add_tenant(loaded, "other", text.replace("name: example", "name: other"))
    with pytest.raises(ConfigurationError, match="tenant other has the login other already"):
        edit.set_password(folder.load(), "example", "other", new_hash)


def test_opening_records_the_confirmation(folder) -> None:
    """The tenant is open, and who confirmed what and when can be read."""
    edit.open_tenant(folder.load(), "example", 'said "yes": all', "ana", NOW)
    edit.open_tenant(folder.load(), "example", "again", "ben", NOW)
    tenant = folder.load().tenants["example"]
    assert tenant.state is TenantState.OPEN
    assert [(c.what, c.recorded_at, c.by) for c in tenant.confirmations] == [
        ('said "yes": all', NOW, "ana"),
        ("again", NOW, "ben"),
    ]


def test_disabling(folder) -> None:
    """A disabled tenant keeps its file."""
    edit.set_state(folder.load(), "example", TenantState.DISABLED)
    assert folder.load().tenants["example"].state is TenantState.DISABLED


def test_a_file_that_cannot_be_changed_safely_is_left_alone(folder) -> None:
    """When the new text would mean more than the change, nothing is written."""
    folder.replace(folder.tenant, "state: starter", "state: &state starter")
    with folder.tenant.open("a") as file:
        file.write("contact: {email: a@b.example, language: en}\nconfirmations:\n"
                   "  - {what: *state, recorded_at: 2030-01-01T00:00:00Z, by: x}\n")  # fmt: skip
    loaded, before = folder.load(), folder.tenant.read_text()
    with pytest.raises(ConfigurationError):
        edit.set_state(loaded, "example", TenantState.OPEN)
    assert folder.tenant.read_text() == before


def test_unknown_tenants_are_named(folder) -> None:
    """The error says which tenants there are."""
    with pytest.raises(ConfigurationError, match="no tenant nobody; there is example"):
        edit.set_state(folder.load(), "nobody", TenantState.OPEN)


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "Ä", ".hidden"])
def test_a_tenant_name_is_no_path(folder, name: str) -> None:
    """No name leads out of the tenants folder."""
    with pytest.raises(ConfigurationError, match="a-z, 0-9 and hyphens"):
        edit.add_tenant(folder.load(), name, folder.tenant.read_text())


def test_a_bad_new_tenant_leaves_nothing_behind(folder) -> None:
    """A tenant file that clashes with another is taken away again."""
    with pytest.raises(ConfigurationError, match="belongs to tenant example"):
        edit.add_tenant(folder.load(), "second", folder.tenant.read_text())
    assert [path.name for path in folder.tenant.parent.iterdir()] == ["example.yaml"]


def test_an_existing_tenant_is_not_overwritten(folder) -> None:
    """Adding a tenant twice fails and keeps the first."""
    before = folder.tenant.read_text()
    with pytest.raises(ConfigurationError, match="exists already"):
        edit.add_tenant(folder.load(), "example", "domains: {}\n")
    assert folder.tenant.read_text() == before


def test_passwords(new_hash: str) -> None:
    """Hashes verify with Argon2id; short passwords and control characters are refused."""
    assert PasswordHasher().verify(new_hash, "correct horse battery")
    assert new_hash.startswith("$argon2id$")
    for bad in ("short", "twelve chars\n", "x" * 11):
        with pytest.raises(ConfigurationError, match="a password"):
            edit.hash_password(bad)
    assert edit.new_password() != edit.new_password()


def test_a_failed_write_leaves_the_old_file(folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new content cannot be synced, the old stands and no temporary file is left."""

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    before = folder.tenant.read_text()
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write.replace(folder.tenant, b"new")
    assert folder.tenant.read_text() == before
    assert len(list(folder.tenant.parent.iterdir())) == 1
