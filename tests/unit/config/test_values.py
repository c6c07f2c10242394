"""The notations of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.config import values


def read(kind: Any, text: object) -> Any:
    return TypeAdapter(kind).validate_python(text, context={"folder": Path("/etc/consentry")})


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (0, 0),
        ("10GB", 10**10),
        ("512MiB", 2**29),
        ("1.5 kB", 1500),
        ("7", 7),
        (26214400, 2**20 * 25),
    ],
)
def test_size(text: object, octets: int) -> None:
    """Decimal units are powers of 1000, binary ones of 1024, a plain number is octets."""
    assert read(values.Size, text) == octets


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(5, 5.0), ("20s", 20.0), ("250ms", 0.25), ("1.5h", 5400.0), ("2d", 172800.0)],
)
def test_duration(text: object, seconds: float) -> None:
    """A duration is seconds, with or without a unit."""
    assert read(values.Duration, text) == seconds


@pytest.mark.parametrize("text", ["10 gigabytes", "-1", "1e9", True, None, "", "GB"])
def test_unreadable_size(text: object) -> None:
    """What is no size is refused with the notation to use."""
    with pytest.raises(ValidationError, match="write a size such as 512MiB"):
        read(values.Size, text)


@given(st.integers(0, 10**15))
def test_sizes_are_exact(octets: int) -> None:
    """No size given in octets is rounded, in number or text."""
    assert read(values.Size, octets) == read(values.Size, f"{octets}B") == octets


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("0.0.0.0:587", "0.0.0.0", 587, False),
        ("[::1]:465", "::1", 465, True),
        ("localhost:0", "localhost", 0, True),
        ("127.9.9.9:25", "127.9.9.9", 25, True),
    ],
)
def test_endpoint(text: str, host: str, port: int, loopback: bool) -> None:
    """An endpoint is read, knows whether other machines reach it, and writes itself back."""
    endpoint = read(values.Listen, text)
    assert endpoint == values.Endpoint(host, port)
    assert endpoint.is_loopback is loopback
    assert str(endpoint) == text


@pytest.mark.parametrize("text", ["587", "0.0.0.0", "::1:25", "host:65536", "host:-1", ":25", 25])
def test_bad_endpoint(text: object) -> None:
    """An endpoint needs an address, a port in range, and brackets around IPv6."""
    with pytest.raises(ValidationError, match="write a"):
        read(values.Listen, text)


def test_domains_become_a_labels() -> None:
    """However a domain is spelt, one form is kept."""
    assert read(values.Domain, "BÜCHER.example.") == "xn--bcher-kva.example"
    assert read(values.SenderDomain, "*.Bücher.example") == "*.xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text", ["", "a..b", "*.a.example", "a b.example", "-a.example", "a@b", "\uff41cme.test"]
)
def test_bad_domain(text: str) -> None:
    """What cannot be a DNS name is refused."""
    with pytest.raises(ValidationError):
        read(values.Domain, text)


def test_paths_start_at_the_folder() -> None:
    """Relative paths are relative to the gateway file's folder, absolute ones stay."""
    assert read(values.Location, "keys/a.pem") == Path("/etc/consentry/keys/a.pem")
    assert read(values.Location, "/run/a.pem") == Path("/run/a.pem")


def test_moments_without_zone_are_utc() -> None:
    """A time without a zone means UTC."""
    assert read(values.Moment, "2030-01-01T09:00:00").utcoffset().total_seconds() == 0


def test_senders_have_their_exact_form() -> None:
    """MAIL FROM addresses are compared in the exact form of address identity."""
    assert read(values.Sender, "News@BÜCHER.example") == "news@xn--bcher-kva.example"
    with pytest.raises(ValidationError, match="it has no @"):
        read(values.Sender, "acme.example")


@pytest.mark.parametrize(
    ("host", "name"),
    [("consentry-0", "consentry-0"), ("Mail1.example.com", "mail1"), ("under_score", "node")],
)
def test_a_machine_is_named_by_its_host_name(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    """The first label in lower case, or `node` when a name cannot be that."""
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert values.machine_name() == name
