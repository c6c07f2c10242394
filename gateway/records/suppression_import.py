"""Importing a list of suppressions.

Takes parsed rows (`suppression.listfile`) and what to assume where a row is silent; gives a
`Tally`. Rows that the suppression table does not allow, or whose scope does not exist, come back
through `on_bad`, like unreadable ones. One audit record opens an import with its file's hash, one
closes it with counts and a digest over its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from gateway.records import audit
from gateway.records.bulk import Progress, Tally, Target, forget, group_of, merge, read
from gateway.records.database import Connection, Database
from gateway.records.drafts import Draft, Refused, check, key_of
from gateway.records.editions import count_gone, lift_gone
from gateway.records.list_diff import Diff
from gateway.records.staging import SUFFIX, Staging
from gateway.records.streams import find_scope, scope_number
from gateway.records.subjects import find_source, source_number
from gateway.records.tables import suppressions
from suppression.hashes import Digest
from suppression.keys import Keyring
from suppression.listfile import BadRow, Row
from suppression.precedence import RULES, ends_at
from suppression.standing import Reason

SCHEME = "2"
"""To be raised when the same line comes to mean something else, so that nothing old is resumed."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """The list that is imported: its name and the SHA-256 of its octets, in hex."""

    name: str
    sha256: str


def no_such(scope: str) -> str:
    """What is wrong with a scope that names nothing."""
    return f"{scope}: no such tenant or stream; a scope is *, tenant or tenant/stream"


def staging_for(
    folder: Path, keyring: Keyring, default: Draft, file: ListFile, meaning: str, now: float
) -> Staging:
    """The staged file, in `folder`, of this list under these options, begun or not.

    `meaning` is whatever else decides what a line means: how the file is read, which scopes are.
    """
    options = (
        SCHEME,
        file.sha256,
        meaning,
        *(str(value) for value in (default.reason, default.scope, default.stops)),
        *(str(value) for value in (default.ends_at, default.is_disclosable)),
        default.setter,
        default.source,
        keyring.fingerprints()[keyring.current.id],
    )
    name = sha256("\0".join(options).encode()).hexdigest()[:32]
    return Staging(keyring, now, folder / f"{name}{SUFFIX}")


def import_suppressions(
    database: Database,
    keyring: Keyring,
    rows: Iterable[Row | BadRow],
    default: Draft,
    file: ListFile,
    now: float,
    *,
    is_scope: Callable[[str], bool],
    staging: Staging | None = None,
    progress: Progress = lambda _rows: None,
    merging: Progress = lambda _rows: None,
    on_bad: Callable[[BadRow], None] = lambda _row: None,
    dry_run: bool = False,
    diff: Diff | None = None,
    is_edition: bool = False,
    in_two: bool = False,
) -> Tally:
    """Import `rows`; reason and scope come from the row, else from `default`.

    `is_edition` says that the list is a new edition: what an older one of the same source named and
    this one does not is lifted, unless a line could not be taken. `diff` is told by reason and
    scope what changes.

    `is_scope` says whether a scope text names a tenant or stream there is. `progress` is told of
    rows read, then `merging` of rows brought into force. With an open `staging`, `rows` are of the
    blocks that it lacks: an import that was interrupted goes on, and counts as begun when it was.
    `in_two` calls, a dry run stays staged and the import itself then needs no rows.
    """
    if is_edition and default.reason is not Reason.ROBINSON:
        raise Refused("only a robinson list comes in editions that replace each other")
    if diff is None and dry_run:
        diff = Diff()
    tally = Tally()
    scopes = _Scopes(database, dry_run and not in_two)
    with ExitStack() as stack:
        if staging is None:
            staging = stack.enter_context(Staging(keyring, now))
        begun, add, seal = staging.began, staging.add, keyring.seal
        if not dry_run:
            _open(database, staging, default, file, now, in_two)
        numbers = _Sources(database, dry_run and not in_two)

        def take(row: Row) -> None:
            draft = _draft(row, default)
            try:
                if not is_scope(draft.scope):
                    raise Refused(no_such(draft.scope))
                if is_edition and (row.stored is not None or draft.reason is not default.reason):
                    raise Refused("a new edition is the list itself, with one reason")
                stored = row.stored
                code = check(draft, row.target, None if stored is None else stored.hashed)
                made = int(begun if row.date is None else min(row.date, begun))
                ends = _ends(row, draft, made, begun)
            except Refused:
                if diff is not None:
                    diff.refused[draft.reason, draft.scope] += 1
                raise
            scope, source = scopes.number(draft.scope), numbers.number(draft.setter, draft.source)
            if diff is not None:
                diff.taken[draft.reason, scope] += 1
            add(
                key_of(keyring, draft.reason, row.target),
                scope,
                code,
                made,
                None if ends is None else int(ends),
                None if isinstance(row.target, bytes | Digest) else seal(str(row.target)),
                source,
                group_of(code, source, draft.setter),
            )

        read(staging, rows, take, tally, progress, on_bad)
        target = Target(
            suppressions,
            ("code", "source", "created_at", "ends_at"),
            lambda row: (row.code, row.source, row.at, row.ends),
            default.audited,
        )
        merge(database, staging, target, tally, now, merging, dry_run, diff)
        if is_edition and tally.read and not tally.bad:
            edition = int(ends_at(Reason.ROBINSON, begun, 0) or 0)
            tally.gone = _end_older(database, default, edition, now, dry_run, diff)
        if diff is not None:
            diff.gone, diff.scopes = tally.gone, scopes.texts()
        if not dry_run:
            _close(database, staging, default, file, tally, now)
            staging.remove()
    return tally


def _end_older(
    database: Database, default: Draft, edition: int, now: float, dry_run: bool, diff: Diff | None
) -> int:
    """Lift what older editions named, or count it: how many entries."""
    if not dry_run:
        return lift_gone(database, default, edition, now)
    with database.reading() as connection:
        older = count_gone(connection, default, edition, now)
    return older - (0 if diff is None else diff.outlasted)


def _open(
    database: Database,
    staging: Staging,
    default: Draft,
    file: ListFile,
    now: float,
    in_two: bool,
) -> None:
    """Say in the audit trail that an import begins, or goes on."""
    is_new = in_two or not staging.blocks
    action = "suppression.import-started" if is_new else "suppression.import-resumed"
    with database.transaction() as connection:
        if not staging.blocks:
            forget(connection, staging)
        _audit(connection, action, default, file, now, {})


def _close(
    database: Database, staging: Staging, default: Draft, file: ListFile, tally: Tally, now: float
) -> None:
    counts = {"read": tally.read, "added": tally.added, "known": tally.known, "bad": tally.bad}
    with database.transaction() as connection:
        forget(connection, staging)
        detail = {**counts, "digest": tally.digest}
        _audit(connection, "suppression.imported", default, file, now, detail)


def _draft(row: Row, default: Draft) -> Draft:
    reason = row.reason or default.reason
    if (stored := row.stored) is not None:
        # What the table fixes is not given: a row that says otherwise is refused.
        is_fixed = reason is not Reason.MANUAL and stored.stops is RULES[reason].stops
        return replace(
            default,
            reason=reason,
            scope=row.scope or default.scope,
            stops=None if is_fixed else stored.stops,
            ends_at=stored.ends if reason is Reason.MANUAL else None,
            is_disclosable=stored.is_disclosable,
            setter=stored.setter,
            source=stored.source or default.source,
        )
    if reason is default.reason and row.scope in ("", default.scope) and row.stops is None:
        return default
    # What was given for manual entries is not for a row that says it is something else.
    given = default if reason is default.reason else replace(default, stops=None, ends_at=None)
    stops = row.stops or given.stops
    return replace(given, reason=reason, scope=row.scope or default.scope, stops=stops)


def _ends(row: Row, draft: Draft, made: float, now: float) -> float | None:
    """When the row's entry ends; Refused when that is over, or not what the table allows."""
    ends = draft.ends_at
    if draft.reason is not Reason.MANUAL:
        rule = RULES[draft.reason]
        if row.stored is not None:
            ends = row.stored.ends
            if not any((term is None) is (ends is None) for term in rule.terms):
                raise Refused(f"until when {draft.reason} holds is fixed")
        else:
            # A newer edition of a list renews it, whatever dates it gives for its rows.
            ends = ends_at(draft.reason, now if rule.is_renewed else made, 0)
    if ends is not None and ends <= now:
        raise Refused(f"{draft.reason} of that date is over already")
    return ends


class _Scopes:
    """Scope numbers by text, made on first use; a dry run only invents them."""

    def __init__(self, database: Database, dry_run: bool) -> None:
        self._database = database
        self._dry_run = dry_run
        self._known: dict[str, int] = {}

    def number(self, scope: str) -> int:
        if scope not in self._known:
            self._known[scope] = self._find(scope)
        return self._known[scope]

    def texts(self) -> dict[int, str]:
        """The scope text of each number that was given."""
        return {number: scope for scope, number in self._known.items()}

    def _find(self, scope: str) -> int:
        if self._dry_run:
            with self._database.reading() as connection:
                found = find_scope(connection, scope)
            return -1 - len(self._known) if found is None else found
        with self._database.transaction() as connection:
            return scope_number(connection, scope)


class _Sources:
    """Numbers of sources, made on first use; a dry run makes none."""

    def __init__(self, database: Database, dry_run: bool) -> None:
        self._database = database
        self._dry_run = dry_run
        self._known: dict[tuple[str, str], int] = {}

    def number(self, setter: str, name: str) -> int:
        known = self._known.get((setter, name))
        if known is None:
            known = self._known[setter, name] = self._find(setter, name)
        return known

    def _find(self, setter: str, name: str) -> int:
        if self._dry_run:
            with self._database.reading() as connection:
                return find_source(connection, setter, name) or 0
        with self._database.transaction() as connection:
            return source_number(connection, setter, name)


def _audit(
    connection: Connection,
    action: str,
    default: Draft,
    file: ListFile,
    now: float,
    detail: dict[str, object],
) -> None:
    audit.append(
        connection,
        at=now,
        actor=default.audited,
        action=action,
        scope=default.scope,
        detail={"file": file.name, "sha256": file.sha256, **detail},
    )
