"""What settings come down to."""

from __future__ import annotations

import pytest

from gateway.config.model import LimitSettings
from gateway.config.terms import override, tenant_terms
from gateway.errors import ConfigurationError
from policies.terms import DAY, Limits, Rate


def number(tenant: str, stream: str) -> int:
    return {"": 0, "weekly": 1, "orders": 2, "offers": 3}[stream]


def test_limits_are_inherited(folder) -> None:
    """Stream from tenant from gateway from built-in, each limit on its own."""
    folder.replace(folder.gateway, "bytes_per_day: 10GB", "bytes_per_day: 5GB")
    folder.replace(folder.tenant, "    kind: list", "    kind: list\n    limits: {batches: 2}")
    with folder.tenant.open("a") as file:
        file.write(
            "limits: {recipients_per_message: 200, rates: [{unit: messages, count: 9, per: 1h}]}\n"
        )
    loaded = folder.load()
    terms = tenant_terms(loaded.config, loaded.tenants, number)["example"]
    weekly, orders = terms.streams["weekly"].limits, terms.streams["orders"].limits
    assert (weekly.batches, orders.batches) == (2, 1)
    assert weekly.bytes_per_day == orders.bytes_per_day == 5 * 10**9
    assert weekly.recipients_per_message == terms.limits.recipients_per_message == 200
    assert orders.rates == (Rate("messages", 9, 3600),)
    assert orders.batch_wait == Limits().batch_wait


def test_return_paths_where_mail_comes_back(folder) -> None:
    """A stream may have return paths of its own where `feedback.domain` takes what comes back."""
    folder.replace(folder.tenant, "    kind: list", "    kind: list\n    verp: true")
    with pytest.raises(ConfigurationError, match="bounces would have nowhere to go"):
        folder.load()
    with folder.gateway.open("a") as file:
        file.write("feedback: {listen: '127.0.0.1:2525', domain: fbl.example}\n")
    loaded = folder.load()
    streams = tenant_terms(loaded.config, loaded.tenants, number)["example"].streams
    assert [name for name, stream in streams.items() if stream.verp] == ["weekly"]


def test_an_empty_list_of_rates_is_an_override() -> None:
    """`rates: []` turns inherited rates off; leaving them out keeps them."""
    limited = Limits(rates=(Rate("messages", 1, 60),))
    assert override(limited, LimitSettings(rates=())).rates == ()
    assert override(limited, LimitSettings()).rates == limited.rates


def test_streams_and_announcements(folder) -> None:
    """Streams carry their numbers and flags; announcements are Unix times."""
    with folder.tenant.open("a") as file:
        file.write(
            "announcements:\n  - {announced: 2030-01-01T00:00:00Z, from: 2030-01-02T00:00:00Z,"
            " to: 2030-01-03T00:00:00Z, bytes_per_day: 50GB}\n"
        )
    loaded = folder.load()
    terms = tenant_terms(loaded.config, loaded.tenants, number)["example"]
    assert {name: stream.number for name, stream in terms.streams.items()} == {
        "weekly": 1,
        "orders": 2,
        "offers": 3,
    }
    assert terms.default_stream == "weekly"
    assert terms.streams["weekly"].stamps_unsubscribe
    assert not terms.streams["offers"].is_open
    assert not any(stream.verp for stream in terms.streams.values())
    announcement = terms.streams["orders"].limits.announcements[0]
    assert announcement.starts_at - announcement.announced_at == DAY
    assert terms.owns("customer.example")
