"""Every policy by name, in default order, and how each is made from the parts it needs.

`build` turns the configuration's (name, mode) pairs into policies, with those built in; an unknown
name raises ConfigurationError. `reference` is docs/policies.md, made from the policies' docstrings:
`python -m policies.registry > docs/policies.md`. A new policy is a file and a line in `REGISTRY`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.errors import ConfigurationError
from gateway.words import Mode
from policies.batch import BatchPolicy
from policies.bytes import BytesPolicy
from policies.consent import ConsentPolicy
from policies.domain_block import DomainBlockPolicy
from policies.from_alignment import FromAlignmentPolicy
from policies.message_sanity import MessageSanityPolicy
from policies.policy import Policy
from policies.ports import Blocks, CasePage, RateWindows
from policies.pre_check import PreCheckPolicy
from policies.probing import ProbingPolicy
from policies.rate import RatePolicy
from policies.recipients import RecipientsPolicy
from policies.sender_domain import SenderDomainPolicy
from policies.suppression import SuppressionPolicy
from policies.tenant_state import TenantStatePolicy
from policies.unsubscribe_required import UnsubscribeRequiredPolicy


@dataclass(frozen=True, slots=True)
class Parts:
    """What policies are made from."""

    hostname: str
    rates: RateWindows
    blocks: Blocks
    case_page: CasePage
    refusals_per_hour: int


Factory = Callable[[Parts, Mode], Policy]

REGISTRY: Mapping[str, tuple[type, Factory]] = {
    "tenant-state": (TenantStatePolicy, lambda *_: TenantStatePolicy()),
    "sender-domain": (SenderDomainPolicy, lambda *_: SenderDomainPolicy()),
    "domain-block": (DomainBlockPolicy, lambda p, _: DomainBlockPolicy(p.blocks, p.case_page)),
    "recipients": (RecipientsPolicy, lambda *_: RecipientsPolicy()),
    "batch": (BatchPolicy, lambda _, mode: BatchPolicy(waits=mode is Mode.ENFORCE)),
    "bytes": (BytesPolicy, lambda *_: BytesPolicy()),
    "rate": (RatePolicy, lambda p, _: RatePolicy(p.rates, p.blocks)),
    "suppression": (SuppressionPolicy, lambda *_: SuppressionPolicy()),
    "consent": (ConsentPolicy, lambda *_: ConsentPolicy()),
    "pre-check": (PreCheckPolicy, lambda *_: PreCheckPolicy()),
    "message-sanity": (MessageSanityPolicy, lambda p, _: MessageSanityPolicy(p.hostname)),
    "from-alignment": (FromAlignmentPolicy, lambda *_: FromAlignmentPolicy()),
    "unsubscribe-required": (UnsubscribeRequiredPolicy, lambda *_: UnsubscribeRequiredPolicy()),
}


def build(order: Iterable[tuple[str, Mode]], parts: Parts) -> list[tuple[Policy, Mode]]:
    """The policies in the configured order, each with its mode, behind what is built in."""
    policies: list[tuple[Policy, Mode]] = [(ProbingPolicy(parts.refusals_per_hour), Mode.ENFORCE)]
    for name, mode in order:
        if name not in REGISTRY:
            raise ConfigurationError(f"{name} is no policy; known are {', '.join(REGISTRY)}")
        _, factory = REGISTRY[name]
        policies.append((factory(parts, mode), mode))
    return policies


_STAGES = {"mail": "MAIL", "rcpt": "RCPT", "message": "message", "confirm": "relay"}

_INTRODUCTION = """\
# Policies

<!-- Made by `python -m policies.registry`; change the docstrings in policies/ instead. -->

Each policy is one file in `policies/`. The configuration lists them in order, each with `enforce`
or `observe` (it reports what it would have refused, and refuses nothing). Within a stage the first
permanent refusal wins, else the first temporary one. Policies that claim something limited (marked
*claims*) are asked after the others, and only when none refused. A policy that fails or takes too
long defers the mail with [TEMP]. The tags are explained in [replies.md](replies.md).

The first one is built in: it is always enforced, and asked before all others that claim.
"""


def reference() -> str:
    """docs/policies.md."""
    policies = {ProbingPolicy.name: ProbingPolicy} | {
        name: policy for name, (policy, _) in REGISTRY.items()
    }
    return "\n".join([_INTRODUCTION, *(_section(*named) for named in policies.items())])


def _section(name: str, policy: type) -> str:
    claimed = [word for stage, word in _STAGES.items() if hasattr(policy, f"claims_at_{stage}")]
    judged = [word for stage, word in _STAGES.items() if hasattr(policy, f"at_{stage}")]
    stages = ", ".join(word for word in _STAGES.values() if word in claimed + judged)
    claims = " *Claims.*" if claimed or getattr(policy, "claims", False) else ""
    return f"## {name}\n\nAsked at: {stages}.{claims}\n\n{inspect.getdoc(policy)}\n"


if __name__ == "__main__":
    print(reference(), end="")
