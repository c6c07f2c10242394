"""`notices`, `feedback` and tenants' contacts: what they may say, and what must be true of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.check import problems
from gateway.config.model import GatewayConfig
from gateway.config.tenant import TenantConfig
from gateway.message.dkim_keys import KeyKind, new_key

LISTEN = {"listen": "127.0.0.1:2525"}


def complaints(folder: Path, **changes: Any) -> dict[str, bool]:
    """The keys of every problem with `notices` and `feedback`, and whether it is an error."""
    config = GatewayConfig.model_validate(
        {
            "hostname": "mail.example",
            "listeners": [{"name": "open", "listen": "127.0.0.1:25", "tls": "none"}],
            "next_hops": [{"name": "main", "host": "127.0.0.1"}],
            **changes,
        },
        context={"folder": folder},
    )
    found = problems(config, {}, [])
    return {
        ".".join(map(str, one.keys)): one.is_error
        for one in found
        if one.keys[0] in ("notices", "feedback")
    }


def tenant(**changes: Any) -> TenantConfig:
    """A tenant with those contacts."""
    values = {
        "name": "acme",
        "domains": {"acme.example": {"dkim": "none"}},
        "streams": {"mail": {"kind": "transactional"}},
        **changes,
    }
    return TenantConfig.model_validate(values)


def test_without_settings_notices_come_from_the_gateways_name(tmp_path: Path) -> None:
    """Nothing needs to be written; replies then go to the sender."""
    assert complaints(tmp_path) == {}
    config = GatewayConfig.model_validate(
        {"hostname": "mail.example", "listeners": [{"name": "o", "listen": "127.0.0.1:25",
         "tls": "none"}], "next_hops": [{"name": "main", "host": "127.0.0.1"}]}
    )  # fmt: skip
    assert config.notices.sender_of(config.hostname) == "abuse@mail.example"


def test_a_domain_needs_a_listener_and_the_reverse(tmp_path: Path) -> None:
    """Replies would have nowhere to go, or nothing would be taken."""
    domain = {"domain": "cases.example"}
    assert complaints(tmp_path, notices=domain) == {"notices.domain": True}
    assert complaints(tmp_path, feedback=LISTEN) == {"feedback": True}
    assert complaints(tmp_path, notices=domain, feedback=LISTEN) == {}
    taken = {"listen": "127.0.0.1:25"}
    assert complaints(tmp_path, notices=domain, feedback=taken) == {"feedback.listen": True}


def test_keys_are_read_beforehand(tmp_path: Path) -> None:
    """A missing or wrong key is an error, one that everyone can read a warning."""
    key = [{"selector": "n1", "key_file": "n1.pem"}]
    at = "notices.dkim.0.key_file"
    assert complaints(tmp_path, notices={"dkim": key}) == {at: True}
    file = tmp_path / "n1.pem"
    file.write_text("no key")
    assert complaints(tmp_path, notices={"dkim": key})[at]
    file.write_bytes(new_key(KeyKind.ED25519))
    file.chmod(0o604)
    assert complaints(tmp_path, notices={"dkim": key}) == {at: False}
    file.chmod(0o600)
    assert complaints(tmp_path, notices={"dkim": key}) == {}


def test_demo_secrets_are_not_reachable_by_mail(tmp_path: Path) -> None:
    """The feedback listener counts as a way in from outside."""
    config = GatewayConfig.model_validate(
        {"hostname": "mail.example", "demo": True, "notices": {"domain": "cases.example"},
         "feedback": {"listen": "0.0.0.0:2525"}, "listeners": [{"name": "o",
         "listen": "127.0.0.1:25", "tls": "none"}],
         "next_hops": [{"name": "main", "host": "127.0.0.1"}]},
        context={"folder": tmp_path},
    )  # fmt: skip
    assert ("demo",) in [one.keys for one in problems(config, {}, []) if one.is_error]


def test_the_abuse_contact_comes_first() -> None:
    """And the day of its last confirmation is known."""
    office = {"email": "Office@acme.example", "language": "pl", "verified": "2026-11-01"}
    abuse = {"email": "abuse@acme.example"}
    both = tenant(contact=office, abuse_contact=abuse)
    assert [one.email for one in both.contacts] == ["abuse@acme.example", "Office@acme.example"]
    assert both.contacts[1].verified == date(2026, 11, 1)
    assert tenant().contacts == ()


@pytest.mark.parametrize("email", ["office", "a@b@c", "a\r\nBcc: x@y.test", "a b@acme.example"])
def test_a_contact_is_a_mailbox(email: str) -> None:
    """What is none, or could end a header field, is refused."""
    with pytest.raises(ValidationError):
        tenant(contact={"email": email})
