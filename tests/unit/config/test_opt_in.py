"""`opt_in` of a list: what it may say, and what must be true around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.check import problems
from gateway.config.model import GatewayConfig
from gateway.config.tenant import TenantConfig
from policies.terms import DAY

ASKS = {"sender": "Lists@acme.example", "privacy": "https://acme.example/privacy"}
KEYS = [{"selector": "s", "key_file": "key.pem"}]


def tenant(opt_in: dict[str, Any], kind: str = "list", **changes: Any) -> TenantConfig:
    """A tenant with one stream that asks."""
    values = {
        "name": "acme",
        "domains": {"acme.example": {"dkim": KEYS}, "plain.example": {"dkim": "none"}},
        "streams": {"weekly": {"kind": kind, "opt_in": opt_in}},
        **changes,
    }
    return TenantConfig.model_validate(values, context={"folder": Path("/etc/consentry")})


def complaints(opt_in: dict[str, Any], base_url: str | None = "https://mail.example") -> set[str]:
    """The keys of all errors about `opt_in`."""
    config = GatewayConfig.model_validate(
        {
            "hostname": "mail.example",
            "web": {"base_url": base_url},
            "listeners": [{"name": "open", "listen": "127.0.0.1:25", "tls": "none"}],
            "next_hops": [{"name": "main", "host": "127.0.0.1"}],
        },
        context={"folder": Path("/etc/consentry")},
    )
    found = problems(config, {"acme": tenant(opt_in)}, ["acme"])
    return {".".join(map(str, p.keys)) for p in found if p.is_error and "opt_in" in p.keys}


def test_the_defaults_remind_once_and_end_after_a_week() -> None:
    """Three days, seven days; the sender's address is compared as any sender's."""
    opt_in = tenant(ASKS).streams["weekly"].opt_in
    assert opt_in is not None
    assert (opt_in.reminder_after, opt_in.expires_after) == (3 * DAY, 7 * DAY)
    assert opt_in.sender == "lists@acme.example"
    silent = tenant({**ASKS, "reminder_after": None}).streams["weekly"].opt_in
    assert silent is not None
    assert silent.reminder_after is None


@pytest.mark.parametrize(
    "change",
    [
        {"privacy": "http://acme.example/privacy"},
        {"privacy": "acme.example"},
        {"sender": "nobody"},
        {"reminder_after": "7d"},
        {"reminder_after": "1h"},
        {"expires_after": "31d"},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    """A reminder after the end, a link that is not https, an unknown key."""
    with pytest.raises(ValidationError):
        tenant({**ASKS, **change})


@pytest.mark.parametrize("kind", ["inquiry", "transactional"])
def test_only_a_list_asks(kind: str) -> None:
    """People join lists, nothing else."""
    with pytest.raises(ValidationError, match="only a list"):
        tenant(ASKS, kind)


def test_the_sender_must_be_the_tenants_and_sign() -> None:
    """And the page must be reachable by https."""
    assert complaints(ASKS) == set()
    assert complaints({**ASKS, "sender": "a@other.example"}) == {"streams.weekly.opt_in.sender"}
    assert complaints({**ASKS, "sender": "a@plain.example"}) == {"streams.weekly.opt_in.sender"}
    assert complaints(ASKS, base_url=None) == {"streams.weekly.opt_in"}
    assert complaints(ASKS, base_url="http://mail.example") == {"streams.weekly.opt_in"}
