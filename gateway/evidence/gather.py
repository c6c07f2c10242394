"""Gathers what the records hold about the consents of one address, for the evidence sheet.

Takes a connection and an address (or one proof), gives `Gathered`; reads only. What was destroyed
by an erasure is missing from it. The tenant's chain is verified on the way, so that a sheet never
claims more than the records bear out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.records.database import Connection
from gateway.records.proofs import Flaw, Head, Proof, StepRecord, head, steps, verify
from suppression.keys import Keyring


@dataclass(frozen=True, slots=True)
class Story:
    """One proof with its steps, in order."""

    proof: Proof
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where a tenant's chain ends, and its first flaw (None when it holds)."""

    head: Head
    flaw: Flaw | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The stories of one address, and the chain of each tenant in them by its name."""

    stories: tuple[Story, ...]
    chains: dict[str, ChainState]


def gather(connection: Connection, keyring: Keyring, found: Sequence[Proof]) -> Gathered:
    """Everything about these proofs."""
    return Gathered(
        tuple(Story(proof, tuple(steps(connection, keyring, proof.id))) for proof in found),
        {
            tenant: ChainState(head(connection, tenant), verify(connection, tenant))
            for tenant in sorted({proof.tenant for proof in found})
        },
    )
