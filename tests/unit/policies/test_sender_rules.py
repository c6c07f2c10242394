"""Who may send: the tenant's state, its sender domains, blocks on them."""

from __future__ import annotations

import pytest

from gateway.words import StreamKind
from policies.domain_block import DomainBlockPolicy
from policies.ports import Block
from policies.sender_domain import SenderDomainPolicy
from policies.tenant_state import TenantStatePolicy
from policies.terms import TenantState


def page(tenant, tracking):
    return f"https://mail.test/status/{tenant}-{tracking.hex()}"


def tag(verdict):
    return verdict.reply.tag if verdict.reply else ""


@pytest.mark.parametrize(
    ("state", "is_open", "expected"),
    [
        (TenantState.OPEN, True, ""),
        (TenantState.STARTER, True, ""),
        (TenantState.OPEN, False, "STREAM-CLOSED"),
        (TenantState.CLOSED, True, "TENANT-CLOSED"),
        (TenantState.CLOSED, False, "TENANT-CLOSED"),
        (TenantState.DISABLED, True, "TERMINATED"),
    ],
)
def test_state_of_tenant_and_stream(world, state, is_open, expected):
    """Closed and disabled tenants and closed streams may not send."""
    t = world.transaction(state=state, is_open=is_open)
    assert tag(TenantStatePolicy().at_mail(t)) == expected


@pytest.mark.parametrize(
    ("mail_from", "kind", "expected"),
    [
        ("news@acme.example", StreamKind.LIST, ""),
        ("news@sub.acme.test", StreamKind.LIST, ""),
        ("news@acme.test", StreamKind.LIST, "SENDER"),
        ("news@sub.acme.example", StreamKind.LIST, "SENDER"),
        ("news@notacme.example", StreamKind.LIST, "SENDER"),
        ("news@bücher.example", StreamKind.LIST, ""),
        ("news@xn--bcher-kva.example", StreamKind.LIST, ""),
        ("news@\u2fb3\u0020.example", StreamKind.LIST, "SENDER-SYNTAX"),
        (None, StreamKind.TRANSACTIONAL, ""),
        (None, StreamKind.LIST, "SENDER"),
        (None, StreamKind.INQUIRY, "SENDER"),
    ],
)
def test_mail_from_belongs_to_the_tenant(world, mail_from, kind, expected):
    """Registered domains and those under `*.` entries pass, U-label or A-label; `<>` by kind."""
    domains = ("acme.example", "*.acme.test", "xn--bcher-kva.example")
    t = world.transaction(mail_from, kind=kind, domains=domains)
    assert tag(SenderDomainPolicy().at_mail(t)) == expected


@pytest.mark.parametrize(
    ("blocked", "fields", "expected"),
    [
        ("other.example", ["From: a@acme.example"], ["", "", ""]),
        ("acme.example", ["From: a@acme.example"], ["DOMAIN-BLOCKED"] * 3),
        ("shop.test", ["From: a@shop.test"], ["", "", "DOMAIN-BLOCKED"]),
        ("shop.test", ["From: a@x.shop.test"], ["", "", "DOMAIN-BLOCKED"]),
        ("shop.test", ["From: a@ok.test", "Sender: a@shop.test"], ["", "", "DOMAIN-BLOCKED"]),
        ("other.example", ["From: a@ok.test, b@ok.test"], ["", "", ""]),
        ("acme.example", ["From: a@ok.test, b@ok.test"], ["DOMAIN-BLOCKED"] * 3),
        ("shop.test", ["From: a@ok.test", "Resent-From: a@shop.test"], ["", "", "DOMAIN-BLOCKED"]),
    ],
)
async def test_a_block_is_found_at_every_stage(world, blocked, fields, expected):
    """MAIL FROM counts at every stage, header From and Sender at the message; parents cover."""
    policy, t = DomainBlockPolicy(world.blocks, page), world.transaction()
    world.blocks.put(blocked)
    got = [await policy.at_mail(t), *await policy.at_rcpt(t, world.recipients(1))]
    got.append(await policy.at_message(t, *world.message(*fields)))
    assert [tag(verdict) for verdict in got] == expected


async def test_a_block_takes_effect_in_a_running_transaction_and_names_its_case(world):
    """Blocked after MAIL, the next RCPT is refused, each recipient of the group."""
    policy, t = DomainBlockPolicy(world.blocks, page), world.transaction()
    assert tag(await policy.at_mail(t)) == ""
    world.blocks.put("acme.example")
    verdicts = await policy.at_rcpt(t, world.recipients(3))
    assert [verdict.reply.text for verdict in verdicts] == [
        "acme.example is blocked, case C-000007, 0 items open"
    ] * 3


async def test_a_case_of_the_tenants_own_is_linked_and_says_how_much_is_open(world):
    """The second line leads to the tenant's page about the case, where there is one."""
    policy, t = DomainBlockPolicy(world.blocks, page), world.transaction()
    block = Block("C-000007", "acme.example", "spam", items=2, tracking=b"t" * 16)
    world.blocks.by_domain["acme.example"] = block
    reply = (await policy.at_mail(t)).reply
    assert reply.encode("r1", "https://mail.test/replies").decode().splitlines() == [
        "550-5.7.1 [DOMAIN-BLOCKED] acme.example is blocked, case C-000007, 2 items open; ref=r1",
        f"550 5.7.1 https://mail.test/status/acme-{(b't' * 16).hex()}",
    ]


@pytest.mark.parametrize("mail_from", ["news@acme.example", None])
async def test_an_ended_service_refuses_whatever_is_sent(world, mail_from):
    """Two people ended it: [TERMINATED] at MAIL, also for the empty sender."""
    policy, t = DomainBlockPolicy(world.blocks, page), world.transaction(mail_from)
    ended = Block("C-000007", "*", "fraud")
    world.blocks.by_domain |= {"*": ended, "acme.example": ended}
    assert tag(await policy.at_mail(t)) == "TERMINATED"


async def test_the_empty_sender_is_judged_by_header_from(world):
    """Mail from `<>` has no envelope domain to block, its author's counts."""
    policy, t = DomainBlockPolicy(world.blocks, page), world.transaction(None)
    world.blocks.put("acme.example")
    assert tag(await policy.at_mail(t)) == ""
    message = world.message("From: a@acme.example")
    assert tag(await policy.at_message(t, *message)) == "DOMAIN-BLOCKED"
