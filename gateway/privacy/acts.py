"""What is done on a person's request, each with the request it is done on.

An act needs a `Basis`: the number of an open request, or who checked the person's identity and how,
which records a request on the spot. Act and request's end are one transaction of the caller's.
`finish_erasure` then clears what lies outside the records; it blocks. Raises RequestRefused,
LookupError and `Refused`; `finish_erasure` also StoreUnavailable, OSError and ControlError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.privacy.journal import mask_addresses
from gateway.records import rights
from gateway.records.database import Connection
from gateway.records.erasure import Erasure, clear_old, erase
from gateway.records.holdings import person_keys
from gateway.records.staging import FOLDER as IMPORTS
from gateway.records.staging import remove_staged
from gateway.records.store import Place
from gateway.records.subject_requests import (
    RequestKind,
    RequestRefused,
    close,
    record,
    require_open,
)
from gateway.words import Address
from suppression.keys import Keyring


@dataclass(frozen=True, slots=True)
class Basis:
    """On what an act rests: an open request's number, or else how identity was checked."""

    request: int | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """Whose data it is about, who acts for the person and when. `tenant` "" is all of them."""

    connection: Connection
    keyring: Keyring
    address: Address
    tenant: str
    basis: Basis
    actor: str
    now: float
    spellings: tuple[Address, ...] = ()
    """Further ones of the person, found before the transaction (`other_spellings`)."""

    @property
    def scope(self) -> str:
        """The scope text of the request."""
        return self.tenant or "*"

    def begin(self, kind: RequestKind) -> int:
        """The number of the request this is done on. Raises RequestRefused."""
        basis = self.basis
        if basis.request is not None:
            require_open(self.connection, self.keyring, basis.request, kind, self.address)
            return basis.request
        if not basis.identity.strip():
            raise RequestRefused(
                "name the request, or say who checked the person's identity and how"
            )
        return record(
            self.connection,
            self.keyring,
            kind,
            self.address,
            self.scope,
            basis.identity,
            self.now,
            self.actor,
            self.now,
        )

    def end(self, request: int, outcome: str) -> None:
        """Note what came of it."""
        close(self.connection, request, outcome, self.actor, self.now)


def erase_person(act: Act) -> Erasure:
    """Article 17; `finish_erasure` must follow once this is committed."""
    request = act.begin(RequestKind.ERASURE)
    # Closed first: afterwards the address of the request itself is gone.
    act.end(request, "erased")
    return erase(
        act.connection,
        act.keyring,
        act.address,
        act.tenant,
        act.actor,
        act.now,
        act.spellings,
    )


def rectify_person(act: Act, new: Address) -> rights.Rectified:
    """Article 16."""
    request = act.begin(RequestKind.RECTIFICATION)
    done = rights.rectify(
        act.connection, act.keyring, act.address, new, act.tenant, act.actor, act.now
    )
    act.end(request, f"{done.suppressions} suppressions and {done.consents} consents corrected")
    return done


def object_person(act: Act) -> bool:
    """Article 21, for one tenant; whether it is new."""
    request = act.begin(RequestKind.OBJECTION)
    is_new = rights.object_to(
        act.connection, act.keyring, act.address, act.tenant, act.actor, act.now
    )
    act.end(request, "marketing stopped")
    return is_new


def restrict_person(act: Act) -> bool:
    """Article 18, for one tenant; whether it is new."""
    request = act.begin(RequestKind.RESTRICTION)
    is_new = rights.restrict(
        act.connection, act.keyring, act.address, act.tenant, act.actor, act.now
    )
    act.end(request, "restricted")
    return is_new


def finish_erasure(place: Place, state_dir: Path, keyring: Keyring, address: Address) -> int:
    """Clear old versions of what was overwritten and what imports have staged, and mask the person
    in the journal; lines masked."""
    clear_old(place)
    remove_staged(state_dir / IMPORTS)
    return mask_addresses(state_dir, is_person(keyring, address))


def out_of_reach(state_dir: Path) -> list[Path]:
    """Old records that a restore or a move set aside: no erasure changes them, so delete them."""
    return sorted(state_dir.glob("before-*"))


def is_person(keyring: Keyring, address: Address) -> Callable[[Address], bool]:
    """Whether another spelling is the same person: by the keys that all records go by."""
    own = set(person_keys(keyring, address).own)
    return lambda other: not own.isdisjoint((keyring.exact_key(other), keyring.loose_key(other)))
