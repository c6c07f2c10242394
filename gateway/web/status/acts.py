"""What a tenant does on its status page: each form is one change, made whole or not at all.

`act` takes what the form sent and gives an `Outcome` for the page. Asking for a code and typing it
in need nothing; all else needs a pass. What the tenant writes is sealed before it is stored, what
it uploads is drawn anew. Raises StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from gateway.errors import SigningFailed
from gateway.records import case_change, deletions, evidence, mailed_codes
from gateway.records.case_change import Moved
from gateway.records.database import Connection
from gateway.records.evidence import Content
from gateway.records.mailed_codes import Outcome as Entered
from gateway.records.subjects import add_subject
from gateway.uploads.intake import Upload, take
from gateway.uploads.picture import Refused as NotTaken
from gateway.uploads.picture import Why
from gateway.uploads.scanner import ScannerAway
from gateway.web.status import code_mail, lists, passes
from gateway.web.status.form import Form
from gateway.web.status.lists import Checked
from gateway.web.status.parts import StatusParts
from gateway.web.status.view import Named
from policies.sanctions import engine
from policies.sanctions.case import Decided, Handed, Happening
from policies.sanctions.words import Decision

MAX_TEXT = 5000
UPLOADED = frozenset({"screenshot"})
CONFIRMED = frozenset({"protection-confirmed", "mended", "deleted"})
BY_STAFF = frozenset({"invoice-paid"})
"""Requirements by what the page offers for them; all others are answered in words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the page says now: a text's name with what is filled in, and the status of the answer.

    `link_pass` is the pass in force from now on, "" for none; `checked` what a pre-check found.
    """

    said: str = ""
    status: HTTPStatus = HTTPStatus.OK
    values: dict[str, object] = field(default_factory=dict)
    link_pass: str = ""
    checked: Checked | None = None

    @property
    def is_good(self) -> bool:
        """Whether what was asked for was done."""
        return self.status is HTTPStatus.OK


async def act(parts: StatusParts, named: Named, form: Form) -> Outcome:
    """Do what the form asks for."""
    what = form.first("do")
    if what == "code":
        return await _mail_code(parts, named)
    if what == "enter":
        return await _enter(parts, named, form.first("code"))
    link_pass = form.first("pass")
    if not passes.is_good(parts.keyring, named.link, link_pass, parts.clock()):
        return Outcome("pass_over", HTTPStatus.FORBIDDEN)
    done = await _with_pass(parts, named, form, what)
    return Outcome(done.said, done.status, done.values, link_pass, done.checked)


async def _with_pass(parts: StatusParts, named: Named, form: Form, what: str) -> Outcome:
    match what:
        case "deleted":
            return await _delete(parts, named, form.fields.get("key", []))
        case "check":
            return await _check(parts, named, form)
        case "hand" if named.stored is not None:
            requirement = form.first("requirement")
            if requirement not in named.stored.case.open_items or requirement in BY_STAFF:
                return Outcome("not_now", HTTPStatus.CONFLICT)
            if requirement in UPLOADED:
                return await _upload(parts, named, requirement, form)
            if requirement == "deleted" and _waits(parts, named.tenant):
                return Outcome("none_chosen", HTTPStatus.UNPROCESSABLE_ENTITY)
            if requirement in CONFIRMED:
                return await _change(parts, named, _handed(named, requirement), "handed")
            return await _write(
                parts, named, form.first("text"), _handed(named, requirement), "handed"
            )
        case "appeal" if named.stored is not None:
            reason = "in the tenant's own words, sealed"
            wish = Decided(Decision.APPEAL, actor_of(named), reason)
            return await _write(parts, named, form.first("text"), wish, "appealed")
        case _:
            return Outcome("not_now", HTTPStatus.BAD_REQUEST)


def actor_of(named: Named) -> str:
    """Who the audit trail names."""
    return f"{named.tenant}:status"


# ---- codes --------------------------------------------------------------------------------------


async def _mail_code(parts: StatusParts, named: Named) -> Outcome:
    tenant, case, keyring = named.tenant, named.number, parts.keyring
    if parts.contact(tenant) is None:
        return Outcome("no_contact", HTTPStatus.CONFLICT)
    now = parts.clock()
    try:
        code = await parts.database.write(
            lambda c: mailed_codes.issue(c, keyring, tenant, case, now)
        )
    except mailed_codes.TooMany as error:
        minutes = -(-error.seconds // 60)
        return Outcome("too_many_codes", HTTPStatus.TOO_MANY_REQUESTS, {"minutes": minutes})
    about = named.stored.id if named.stored else ""
    try:
        has_left = await code_mail.send(parts, tenant, about, code)
    except SigningFailed:
        has_left = False
    if not has_left:
        await parts.database.write(lambda c: mailed_codes.forget(c, keyring, tenant, case, code))
        return Outcome("code_not_sent", HTTPStatus.SERVICE_UNAVAILABLE)
    return Outcome("code_sent")


async def _enter(parts: StatusParts, named: Named, code: str) -> Outcome:
    now = parts.clock()
    entered = await parts.database.write(
        lambda c: mailed_codes.enter(c, parts.keyring, named.tenant, named.number, code[:64], now)
    )
    match entered:
        case Entered.RIGHT:
            return Outcome("code_right", link_pass=passes.make(parts.keyring, named.link, now))
        case Entered.WRONG:
            return Outcome("code_wrong", HTTPStatus.FORBIDDEN)
        case Entered.OVER:
            return Outcome("code_over", HTTPStatus.FORBIDDEN)


# ---- the case -----------------------------------------------------------------------------------


async def _write(
    parts: StatusParts, named: Named, text: str, happening: Happening, said: str
) -> Outcome:
    """Hand in what the tenant wrote."""
    text = text.replace("\r\n", "\n").replace("\0", "").strip()
    if not text:
        return Outcome("no_text", HTTPStatus.UNPROCESSABLE_ENTITY)
    if len(text) > MAX_TEXT:
        values: dict[str, object] = {"most": MAX_TEXT}
        return Outcome("long_text", HTTPStatus.UNPROCESSABLE_ENTITY, values)
    return await _change(
        parts, named, happening, said, lambda c: add_subject(c, parts.keyring.seal(text))
    )


async def _upload(parts: StatusParts, named: Named, requirement: str, form: Form) -> Outcome:
    try:
        upload = await take(form.file or b"", form.file_name, parts.loaded.config.clamav)
    except ScannerAway:
        return Outcome("scanner_away", HTTPStatus.SERVICE_UNAVAILABLE)
    except NotTaken as refusal:
        if refusal.why is Why.VIRUS:
            await _note_virus(parts, named, requirement, refusal.found)
        return Outcome(f"upload_{refusal.why}", HTTPStatus.UNPROCESSABLE_ENTITY)
    stored: list[int] = []

    def store(connection: Connection) -> dict[str, object]:
        stored.append(_store(parts, connection, named, requirement, upload))
        return {"file": stored[-1], "sha256": upload.digest.hex(), "scanned": upload.scanned}

    try:
        return await _change(parts, named, _handed(named, requirement), "handed", detailed=store)
    except evidence.TooMany:
        return Outcome("too_many_files", HTTPStatus.CONFLICT)


def _store(
    parts: StatusParts, connection: Connection, named: Named, requirement: str, upload: Upload
) -> int:
    content = Content(upload.media_type, upload.octets, upload.digest, upload.name, upload.scanned)
    case, now = named.number or 0, parts.clock()
    return evidence.add(connection, parts.keyring, case, requirement, content, actor_of(named), now)


async def _note_virus(parts: StatusParts, named: Named, requirement: str, found: str) -> None:
    detail = {"requirement": requirement, "found": found}
    case, now = named.number or 0, parts.clock()
    await parts.database.write(
        lambda c: case_change.note(c, case, "evidence.refused", actor_of(named), now, detail=detail)
    )


async def _change(
    parts: StatusParts,
    named: Named,
    happening: Happening,
    said: str,
    sealed: Callable[[Connection], int] | None = None,
    detailed: Callable[[Connection], dict[str, object]] | None = None,
) -> Outcome:
    """Let it happen to the case; what `sealed` and `detailed` store, stands only if it does."""
    case, now = named.number or 0, parts.clock()

    def work(connection: Connection) -> Moved:
        return case_change.change(
            connection,
            case,
            happening,
            actor_of(named),
            now,
            parts.rules,
            detail=detailed(connection) if detailed else None,
            subject=sealed(connection) if sealed else None,
        )

    try:
        moved = await parts.database.write(work)
    except engine.Refused:
        return Outcome("not_now", HTTPStatus.CONFLICT)
    for event in moved.events:
        parts.emit(event)
    return Outcome(said)


def _handed(named: Named, requirement: str) -> Handed:
    return Handed(requirement, actor_of(named))


# ---- addresses and lists ------------------------------------------------------------------------


async def _delete(parts: StatusParts, named: Named, keys: list[str]) -> Outcome:
    """Note that addresses were deleted; the last of them meets the case's requirement."""
    try:
        wanted = [bytes.fromhex(key) for key in keys]
    except ValueError:
        return Outcome("not_now", HTTPStatus.BAD_REQUEST)
    if not wanted:
        return Outcome("none_chosen", HTTPStatus.UNPROCESSABLE_ENTITY)
    now = parts.clock()

    def work(connection: Connection) -> tuple[int, bool]:
        count = deletions.acknowledge(connection, named.tenant, wanted, actor_of(named), now)
        if count and named.number is not None:
            case_change.note(
                connection,
                named.number,
                "complainers.deleted",
                actor_of(named),
                now,
                detail={"addresses": count},
            )
        left = deletions.complainers(connection, parts.keyring, named.tenant, waiting=True)
        return count, not left

    count, is_all = await parts.database.write(work)
    stored = named.stored
    if is_all and stored is not None and "deleted" in stored.case.open_items:
        handed = await _change(parts, named, _handed(named, "deleted"), "handed")
        if handed.is_good:
            return handed
    return Outcome("deleted", values={"count": count})


def _waits(parts: StatusParts, tenant: str) -> bool:
    """Whether there is anybody whom the tenant has not yet said to have deleted."""
    with parts.database.reading() as connection:
        return bool(deletions.complainers(connection, parts.keyring, tenant, waiting=True))


async def _check(parts: StatusParts, named: Named, form: Form) -> Outcome:
    """Pre-check a list."""
    text = form.file if form.file is not None else form.first("list").encode()
    checked = await lists.check(parts, named.tenant, form.first("stream"), text, actor_of(named))
    if isinstance(checked, str):
        return Outcome(checked, HTTPStatus.UNPROCESSABLE_ENTITY, {"most": lists.MOST})
    return Outcome("checked", checked=checked)
