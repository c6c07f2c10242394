"""A sender domain looked up at a real name server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from gateway.config.sender_dns import SenderDnsSettings
from gateway.config.values import Endpoint
from gateway.message.dkim import Signer
from gateway.message.dkim_keys import KeyKind, dns_record, load_key, new_key
from gateway.sender_dns import lookups
from gateway.sender_dns.check import SenderDns
from gateway.sender_dns.findings import DomainState, Finding, Mark
from gateway.sender_dns.texts import Say
from tests.e2e.name_server import NameServer, txt
from tests.e2e.ports import LOOPBACK, free_port

PEM = new_key(KeyKind.ED25519)
SIGNER = Signer("acme.test", "s1", load_key(PEM))
KEY = ("s1._domainkey.acme.test", "TXT")
SPF, DMARC, MX = ("acme.test", "TXT"), ("_dmarc.acme.test", "TXT"), ("acme.test", "MX")
GOOD = {
    KEY: [dns_record(PEM)],
    SPF: [txt("v=spf1 include:_spf.hop.test -all"), txt("something else")],
    ("_spf.hop.test", "TXT"): [txt("v=spf1 ip4:192.0.2.0/28 mx:hop.test -all")],
    ("hop.test", "MX"): ["10 mx.hop.test."],
    ("mx.hop.test", "A"): ["198.51.100.7"],
    DMARC: [txt("v=DMARC1; p=quarantine")],
    MX: ["20 b.acme.test.", "10 a.acme.test."],
}


@pytest.fixture(scope="module")
def running() -> Iterator[NameServer]:
    with NameServer({}) as server:
        yield server


@pytest.fixture
def server(running: NameServer) -> NameServer:
    """The module's server as it begins: acme.test in order, nothing asked."""
    running.zone, running.ttl, running.asked = dict(GOOD), 300, []
    running.silent, running.failing = set(), set()
    return running


def asking(server: NameServer, *outgoing: str, patience: float = 20.0) -> SenderDns:
    """The checks, by that server alone."""
    return SenderDns(
        SenderDnsSettings(
            resolvers=(Endpoint(LOOPBACK, server.port),),
            patience=patience,
            outgoing=tuple(ip_address(one) for one in outgoing),
        )
    )


async def state(server: NameServer, *outgoing: str) -> DomainState:
    return await asking(server, *outgoing).state("acme.test", [SIGNER])


async def test_a_domain_in_order_is_all_ok(server: NameServer) -> None:
    """Key, SPF through an include, policy and mail servers are found and named."""
    found = await state(server, "192.0.2.7", "198.51.100.7")
    assert {finding.mark for _, finding in found.findings} == {Mark.OK}
    assert (found.spf.say, found.spf.values) == (Say.SPF_COVERED, {"lookups": "2"})
    assert found.mx.record == "a.acme.test, b.acme.test"
    assert [name for name, _ in found.findings] == ["DKIM", "SPF", "DMARC", "MX"]


async def test_an_empty_domain_lacks_everything(server: NameServer) -> None:
    """Nothing published is `missing`, whether the name exists or not."""
    server.zone = {}
    found = await asking(server).state("acme.test", [])
    assert {finding.mark for _, finding in found.findings} == {Mark.MISSING}


async def test_a_silent_server_is_unknown_in_time(server: NameServer) -> None:
    """What nobody answers within the patience is neither good nor missing; the rest is told."""
    server.silent = {"_dmarc.acme.test"}
    server.failing = {"acme.test"}
    found = await asking(server, patience=0.3).state("acme.test", [SIGNER])
    assert (found.dmarc.say, found.spf.say, found.mx.say) == (Say.UNKNOWN,) * 3
    assert found.dkim[0].say is Say.DKIM_OK


async def test_nobody_there_is_unknown() -> None:
    """A resolver that is away makes everything unknown and raises nothing."""
    settings = SenderDnsSettings(resolvers=(Endpoint(LOOPBACK, free_port()),), patience=0.2)
    found = await SenderDns(settings).state("acme.test", [SIGNER])
    assert {finding.mark for _, finding in found.findings} == {Mark.UNKNOWN}


async def test_a_null_mx_is_a_warning(server: NameServer) -> None:
    """A domain that takes no mail (RFC 7505) should send none; one with an address only may."""
    server.zone[MX] = ["0 ."]
    assert (await state(server)).mx.say is Say.MX_NULL
    del server.zone[MX]
    assert (await state(server)).mx.say is Say.MX_MISSING
    server.zone["acme.test", "AAAA"] = ["2001:db8::1"]
    assert (await state(server)).mx.say is Say.MX_OK


@pytest.mark.parametrize(
    ("record", "say"),
    [
        ("v=spf1 ip4:192.0.2.0/24 ~all", Say.SPF_COVERED),
        ("v=spf1 a:mx.hop.test/8 -all", Say.SPF_NOT_COVERED),
        ("v=spf1 redirect=_spf.hop.test", Say.SPF_COVERED),
        ("v=spf1 ?include:_spf.hop.test -all", Say.SPF_NOT_COVERED),
        ("v=spf1 exists:%{i}.hop.test include:%{d}.test -all", Say.SPF_NOT_COVERED),
        ("v=spf1 ip4:192.0.2.0/24 +all", Say.SPF_OPEN),
        ("v=spf1 ip4:192.0.2.0/24", Say.SPF_NEUTRAL),
        ("v=spf1 ip4:192.0.2.0/24 ptr -all", Say.SPF_PTR),
        ("v=spf1 ip4:192.0.2.0/24 -all include:nowhere.test", Say.SPF_COVERED),
        ("v=spf1 ipp4:192.0.2.7 -all", Say.SPF_BROKEN),
        ("v=spf1 include:nowhere.test -all", Say.SPF_BROKEN),
        ("v=spf1 include:acme.test -all", Say.SPF_BROKEN),
        ("v=spf1 a:no1.test a:no2.test mx:no3.test ip4:192.0.2.0/24 -all", Say.SPF_VOID),
        ("v=spf1 " + "include:_spf.hop.test " * 5 + "-all", Say.SPF_COVERED),
        ("v=spf1 " + "include:_spf.hop.test " * 5 + "a:mx.hop.test -all", Say.SPF_LOOKUPS),
        ("v=spf1 " + "include:_spf.hop.test " * 99 + "-all", Say.SPF_LOOKUPS),
    ],
)
async def test_an_spf_record_is_followed_to_its_ends(
    server: NameServer, record: str, say: Say
) -> None:
    """Includes, redirects, limits and faults as receivers see them (RFC 7208)."""
    server.zone[SPF] = [txt(record)]
    assert (await state(server, "192.0.2.7")).spf.say is say


async def test_a_fault_in_an_include_is_named_by_its_way(server: NameServer) -> None:
    """Who reads it sees which record to mend."""
    server.zone["_spf.hop.test", "TXT"] = [txt("v=spf1 ip4:1.2.3 -all")]
    found = (await state(server)).spf
    assert found.values == {"why": "include:_spf.hop.test > ip4:1.2.3"}


async def test_two_spf_records_are_none(server: NameServer) -> None:
    """More than one record is an error (RFC 7208 section 4.5)."""
    server.zone[SPF] = [txt("v=spf1 -all"), txt("v=spf1 a -all")]
    assert (await state(server)).spf.say is Say.SPF_SEVERAL


@pytest.mark.parametrize(
    ("records", "say", "name"),
    [
        ({"a.b.acme.test": "v=DMARC1; p=reject"}, Say.DMARC_OK, "a.b.acme.test"),
        ({"acme.test": "v=DMARC1; p=reject"}, Say.DMARC_OK, "acme.test"),
        ({"acme.test": "v=DMARC1; p=reject; sp=none"}, Say.DMARC_WATCHES, "acme.test"),
        (
            {"b.acme.test": "v=DMARC1; p=none", "acme.test": "v=DMARC1; p=reject"},
            Say.DMARC_OK,
            "acme.test",
        ),
        (
            {"b.acme.test": "v=DMARC1; p=none", "acme.test": "v=DMARC1; p=reject; psd=y"},
            Say.DMARC_WATCHES,
            "b.acme.test",
        ),
        ({"test": "v=DMARC1; p=reject"}, Say.DMARC_MISSING, "a.b.acme.test"),
        ({"acme.test": "v=DMARC10; p=reject"}, Say.DMARC_MISSING, "a.b.acme.test"),
    ],
)
async def test_the_organisations_policy_holds_below(
    server: NameServer, records: dict[str, str], say: Say, name: str
) -> None:
    """A subdomain without a record goes by its organisation's (RFC 7489 section 6.6.3)."""
    server.zone = {(f"_dmarc.{at}", "TXT"): [txt(text)] for at, text in records.items()}
    found = (await asking(server).state("a.b.acme.test", [])).dmarc
    assert (found.say, found.name) == (say, f"_dmarc.{name}")


async def test_two_policies_are_none(server: NameServer) -> None:
    """More than one record means that none is used (RFC 7489 section 6.6.3)."""
    server.zone[DMARC] = [txt("v=DMARC1; p=none"), txt("v=DMARC1; p=reject")]
    assert (await state(server)).dmarc.say is Say.DMARC_SEVERAL


async def test_everything_under_a_parent_is_asked_for_there(server: NameServer) -> None:
    """`*.acme.test` is signed with its parent's key, which strict alignment does not take."""
    server.zone[DMARC] = [txt("v=DMARC1; p=reject; adkim=s")]
    found = await asking(server).state("*.acme.test", [SIGNER])
    assert found.dkim[0].say is Say.DKIM_OK
    assert found.dmarc.say is Say.DMARC_STRICT


async def test_an_answer_is_kept_for_its_time_and_no_longer(server: NameServer) -> None:
    """Within its time to live nobody is asked again; after it everybody is."""
    asks = asking(server)
    await asks.state("acme.test", [SIGNER])
    before = len(server.asked)
    await asks.state("acme.test", [SIGNER])
    assert len(server.asked) == before
    server.ttl = 0
    at_once = asking(server)
    await at_once.state("acme.test", [SIGNER])
    again = len(server.asked)
    server.zone[DMARC] = [txt("v=DMARC1; p=reject")]
    found = await at_once.state("acme.test", [SIGNER])
    assert len(server.asked) > again
    assert found.dmarc.values == {"policy": "reject"}


async def test_no_answer_is_kept_for_days(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a record's time to live is, it is asked again after our own limit."""
    monkeypatch.setattr(lookups, "MOST_SECONDS", 0.0)
    server.ttl = 10**8
    asks = asking(server)
    first = (await asks.state("acme.test", [SIGNER])).dmarc
    server.zone[DMARC] = [txt("v=DMARC1; p=reject")]
    assert (await asks.state("acme.test", [SIGNER])).dmarc != first


async def test_only_so_many_answers_are_kept(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many domains push the oldest answers out."""
    monkeypatch.setattr(lookups, "ANSWERS_KEPT", 8)
    asks = asking(server)
    await asks.state("acme.test", [SIGNER])
    for number in range(5):
        await asks.state(f"d{number}.test", [])
    before = len(server.asked)
    await asks.state("acme.test", [SIGNER])
    assert len(server.asked) > before


async def test_a_long_record_comes_over_tcp(server: NameServer) -> None:
    """An answer that no datagram holds is asked for again over TCP."""
    pem = new_key(KeyKind.RSA)
    server.zone[KEY] = [dns_record(pem)]
    server.zone[SPF] = [txt(f"v=spf1 {'ip4:192.0.2.7 ' * 60}-all")]
    found = await asking(server).state("acme.test", [Signer("acme.test", "s1", load_key(pem))])
    assert (found.spf.say, found.dkim[0].say) == (Say.SPF_OK, Say.DKIM_OK)
    assert server.asked.count(SPF) == 2


async def test_a_name_that_is_none_is_unknown(server: NameServer) -> None:
    """A record can name what no server can be asked about."""
    server.zone[SPF] = [txt(f"v=spf1 include:{'x' * 64}.test -all")]
    assert (await state(server)).spf == Finding("acme.test", Say.UNKNOWN)


async def test_other_settings_ask_anew(server: NameServer) -> None:
    """A reload that names other outgoing addresses judges by them; the same settings keep all."""
    asks = asking(server)
    await asks.state("acme.test", [SIGNER])
    before = len(server.asked)
    await asks.under(asking(server).settings).state("acme.test", [SIGNER])
    assert len(server.asked) == before
    other = asks.under(asking(server, "203.0.113.1").settings)
    assert (await other.state("acme.test", [SIGNER])).spf.say is Say.SPF_NOT_COVERED
