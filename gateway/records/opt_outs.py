"""What goes into the opt-out log, so that a restore from an older backup forgets nobody's wish.

`note` and `note_rows` are called in the transaction of a change; the log has the record on its disk
before that transaction commits (`opt_out_log`), and a change undone by its savepoint leaves none.
Records hold address keys and scope texts, never a plain address. `encode` and `decode` turn them
into a line's JSON and back; ValueError when that is not one.
"""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, select

from gateway.records.codes import FIRST_SUPPRESSION
from gateway.records.tables import sources, streams
from suppression.keys import KEY_OCTETS

_PENDING = "opt-outs"
_FOREVER = 0
_ROW = struct.Struct(">HIqq")
"""Code, scope number, made at, ends at (0 for never) of one row."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The log begins here; `why` says after what, when it is not the first."""

    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class StreamNumbered:
    """A tenant (empty `name`) or stream got the number that tokens and scopes know it by."""

    number: int
    tenant: str
    name: str


@dataclass(frozen=True, slots=True)
class OptOut:
    """One suppression was made: code of `codes`, Unix seconds, in what capacity and from where."""

    key: bytes
    scope: str
    code: int
    at: int
    ends: int | None
    setter: str
    source: str


@dataclass(frozen=True, slots=True)
class Row:
    """One of many suppressions made together; `scope` is a number of `OptOuts.scopes`."""

    key: bytes
    scope: int
    code: int
    at: int
    ends: int | None


@dataclass(frozen=True, slots=True)
class OptOuts:
    """Suppressions of one import, some thousand at a time."""

    scopes: dict[int, str]
    setter: str
    source: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Lifted:
    """A suppression was lifted: which one (`setter` tells manual ones apart), by whom and when."""

    key: bytes
    scope: str
    code: int
    made: int
    by: str
    at: int
    setter: str = ""


@dataclass(frozen=True, slots=True)
class ConsentEnded:
    """Consents under a key in a scope ended, of one level or (0) of all given until `at`."""

    key: bytes
    scope: str
    level: int
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Erased:
    """A person's data in a scope was destroyed; `keys` are all that they may stand under."""

    keys: tuple[bytes, ...]
    scope: str
    at: int


Record = Begun | StreamNumbered | OptOut | OptOuts | Lifted | ConsentEnded | Erased

_KINDS: dict[str, type[Record]] = {
    "begun": Begun,
    "stream": StreamNumbered,
    "opt-out": OptOut,
    "opt-outs": OptOuts,
    "lifted": Lifted,
    "consent-ended": ConsentEnded,
    "erased": Erased,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Merged(Protocol):
    """A row of an import as `bulk` has it."""

    @property
    def key(self) -> bytes: ...
    @property
    def scope(self) -> int: ...
    @property
    def code(self) -> int: ...
    @property
    def at(self) -> int: ...
    @property
    def ends(self) -> int | None: ...


def note(connection: Connection, record: Record) -> None:
    """Have `record` in the log before this transaction commits."""
    connection.info.setdefault(_PENDING, []).append(encode(record))


def note_rows(connection: Connection, rows: Sequence[Merged], source: int) -> None:
    """Have one record for all `rows` in the log; `source` is their number in `sources`.

    Rows that are consents are left out: losing one can only stop mail.
    """
    made = [row for row in rows if row.code >= FIRST_SUPPRESSION]
    if not made:
        return
    setter, name = connection.execute(
        select(sources.c.setter, sources.c.name).where(sources.c.id == source)
    ).one()
    numbers = {row.scope for row in made}
    scopes = {0: "*"} if 0 in numbers else {}
    query = select(streams).where(streams.c.number.in_(numbers))
    for stream in connection.execute(query):
        scopes[stream.number] = (
            f"{stream.tenant}/{stream.name}" if stream.name else str(stream.tenant)
        )
    body = _packed(scopes, setter, name, made)
    connection.info.setdefault(_PENDING, []).append(body)


def pending(connection: Connection) -> list[str]:
    """The bodies noted in this transaction."""
    bodies: list[str] = connection.info.get(_PENDING, [])
    return bodies


def scopes_of(bodies: Sequence[str]) -> set[str]:
    """The texts of all scopes that `bodies` name, but for `*`."""
    found: set[str] = set()
    for body in bodies:
        fields = json.loads(body)
        found |= {fields.get("scope", "*"), *fields.get("scopes", {}).values()}
    return found - {"*"}


def begin(connection: Connection) -> None:
    """A transaction begins, or is undone: what was noted before is not its own."""
    connection.info[_PENDING] = []


def undo(connection: Connection, kept: int) -> None:
    """What was noted since `kept` were `pending` is undone."""
    del pending(connection)[kept:]


def encode(record: Record) -> str:
    """The record as JSON of one line."""
    if isinstance(record, OptOuts):
        return _packed(record.scopes, record.setter, record.source, record.rows)
    fields = asdict(record)
    if isinstance(record, Erased):
        fields["keys"] = [key.hex() for key in record.keys]
    elif "key" in fields:
        fields["key"] = fields["key"].hex()
    return _json({"kind": _NAMES[type(record)], **fields})


def decode(body: str) -> Record:
    """The record that `encode` made `body` of."""
    try:
        fields: dict[str, Any] = json.loads(body)
        kind = _KINDS[fields.pop("kind")]
        if kind is OptOuts:
            return _unpacked(fields)
        if kind is Erased:
            fields["keys"] = tuple(bytes.fromhex(key) for key in fields["keys"])
        elif "key" in fields:
            fields["key"] = bytes.fromhex(fields["key"])
        return kind(**fields)
    except (KeyError, TypeError, AttributeError, struct.error, zlib.error) as error:
        raise ValueError(f"no record of the opt-out log: {error!r}") from error


def _packed(scopes: dict[int, str], setter: str, source: str, rows: Sequence[Merged]) -> str:
    # Keys do not compress, everything else does: together some 16 octets a row, 22 in base64.
    keys = b"".join([row.key for row in rows])
    pack = _ROW.pack
    rest = b"".join([pack(row.code, row.scope, row.at, row.ends or _FOREVER) for row in rows])
    return _json(
        {
            "kind": _NAMES[OptOuts],
            "scopes": scopes,
            "setter": setter,
            "source": source,
            "keys": b64encode(keys).decode(),
            "rest": b64encode(zlib.compress(rest, 1)).decode(),
        }
    )


def _unpacked(fields: dict[str, Any]) -> OptOuts:
    keys = b64decode(fields["keys"], validate=True)
    rest = zlib.decompress(b64decode(fields["rest"], validate=True))
    rows = tuple(
        Row(keys[number * KEY_OCTETS : (number + 1) * KEY_OCTETS], scope, code, at, ends or None)
        for number, (code, scope, at, ends) in enumerate(_ROW.iter_unpack(rest))
    )
    scopes = {int(number): text for number, text in fields["scopes"].items()}
    return OptOuts(scopes, fields["setter"], fields["source"], rows)


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))
