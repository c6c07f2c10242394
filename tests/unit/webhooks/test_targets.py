"""Where calls may go: every kind of address that is not public is refused, whatever it is named."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from gateway.webhooks.targets import TargetRefused, Targets, is_public

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.15.0.1"]
PUBLIC += ["172.32.0.1", "192.167.1.1", "223.255.255.255", "2606:4700::1", "2a00:1450::1"]


def _names(*answers: Sequence[str]) -> Targets:
    """A resolver that gives one answer after the other."""
    rest = list(answers)

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return rest.pop(0)

    return Targets(resolve)


@pytest.mark.parametrize("text", REFUSED)
async def test_no_address_that_is_not_public(text: str) -> None:
    """An address inside, of this machine, or standing for another is refused."""
    assert not is_public(ip_address(text))
    with pytest.raises(TargetRefused):
        await _names([text]).find("hook.example", 443, [], needs_allowed=False)


@pytest.mark.parametrize("text", PUBLIC)
async def test_public_addresses(text: str) -> None:
    """Addresses just outside the refused networks, and usual ones, may be called."""
    found = await _names([text]).find("hook.example", 443, [], needs_allowed=False)
    assert found == [text]


@pytest.mark.parametrize("mixed", [["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"]])
async def test_one_private_address_spoils_the_name(mixed: list[str]) -> None:
    """A name with a public and a private address is refused, in either order."""
    with pytest.raises(TargetRefused, match="not public"):
        await _names(mixed).find("hook.example", 443, [], needs_allowed=False)


async def test_allowed_networks() -> None:
    """Only addresses of the networks that the operator lists may be called besides."""
    allowed = [ip_network("10.1.0.0/16")]
    found = await _names(["10.1.2.3"]).find("hook.example", 443, allowed, needs_allowed=False)
    assert found == ["10.1.2.3"]
    with pytest.raises(TargetRefused):
        await _names(["10.2.2.3"]).find("hook.example", 443, allowed, needs_allowed=False)
    with pytest.raises(TargetRefused, match="TLS"):
        await _names(["1.1.1.1"]).find("hook.example", 80, allowed, needs_allowed=True)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "localhost", "0177.0.0.1", "[::1]".strip("[]")]
)
async def test_other_spellings_of_loopback(host: str) -> None:
    """What the system's resolver takes for this machine is refused, however it is written."""
    targets = Targets()
    with pytest.raises(TargetRefused):
        await targets.find(host, 443, [], needs_allowed=False)
    targets.close()


async def test_a_name_that_does_not_resolve() -> None:
    """A failing or senseless resolver refuses the call; it never goes elsewhere."""

    async def fail(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    for targets in (Targets(fail), _names(["not an address"])):
        with pytest.raises(TargetRefused, match="cannot be resolved"):
            await targets.find("hook.example", 443, [], needs_allowed=False)
