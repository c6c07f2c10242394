"""Staff: who may work at the desk, in which role, and how they show that it is they.

Functions take a connection of `Database`; each change writes its audit record in the caller's
transaction and ends the sessions that it makes untrue. Passwords come in as Argon2 hashes. A second
factor's secret is sealed; `totp_step` is None until a first code was shown, and grows with each
one used. Raises LookupError for a name that nobody has, `NameTaken` for one that somebody has.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from gateway.errors import ConsentryError
from gateway.records import audit, staff_sessions
from gateway.records.subjects import add_subject, plain_texts
from gateway.records.tables import staff, subject_secrets, subjects
from gateway.words import Address
from gateway.words import Role as Role
from suppression.keys import Keyring


class NameTaken(ConsentryError):
    """Somebody has this name or this identity already."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of staff; `identity` is who they are at the OpenID provider. Unix seconds."""

    id: int
    name: str
    role: Role
    zone: str
    identity: str | None
    has_password: bool
    has_totp: bool
    made_at: int
    made_by: str
    disabled_at: int | None


def add(
    connection: Connection,
    name: str,
    role: Role,
    zone: str,
    password_hash: str | None,
    identity: str | None,
    actor: str,
    now: float,
) -> Member:
    """A new member of staff."""
    if connection.execute(select(staff.c.id).where(staff.c.name == name)).first():
        raise NameTaken(f"there is a member of staff called {name} already")
    _free(connection, identity)
    row = {
        "name": name,
        "role": role,
        "zone": zone,
        "password_hash": password_hash,
        "identity": identity,
        "made_at": int(now),
        "made_by": actor,
    }
    connection.execute(insert(staff), row)
    _tell(connection, "staff.added", name, actor, now, role=role)
    return member(connection, name)


def member(connection: Connection, name: str) -> Member:
    """Who has this name."""
    row = connection.execute(select(staff).where(staff.c.name == name)).first()
    if row is None:
        raise LookupError(f"no member of staff is called {name}")
    return decoded(row)


def by_identity(connection: Connection, identity: str) -> Member | None:
    """Who is this at the OpenID provider."""
    row = connection.execute(select(staff).where(staff.c.identity == identity)).first()
    return None if row is None else decoded(row)


def oidc_identity(issuer: str, subject: str) -> str:
    """Who this is at an OpenID provider; neither part has a space (RFC 3986; OpenID Connect Core
    section 2 has `sub` be ASCII)."""
    return f"{issuer} {subject}"


def email_identity(keyring: Keyring, address: Address) -> str:
    """Who has this address at the OpenID provider, until they come and are known by `sub`."""
    return f"email {keyring.exact_key(address).hex()}"


def by_email(connection: Connection, keyring: Keyring, address: Address) -> Member | None:
    """Who was added by this address, under any generation of the keys."""
    keys = keyring.look_up_keys(address)
    query = select(staff).where(staff.c.identity.in_([f"email {key.hex()}" for key in keys]))
    row = connection.execute(query).first()
    return None if row is None else decoded(row)


def members(connection: Connection) -> list[Member]:
    """Everybody, by name; disabled ones too."""
    return [decoded(row) for row in connection.execute(select(staff).order_by(staff.c.name))]


def password_hash(connection: Connection, name: str) -> str | None:
    """The hash to check a password against; None when there is none or they are disabled."""
    query = select(staff.c.password_hash).where(staff.c.name == name, staff.c.disabled_at.is_(None))
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def set_password(
    connection: Connection, name: str, new_hash: str, actor: str, now: float
) -> Member:
    """Another password; ends every session of theirs."""
    return _change(connection, name, "staff.password_changed", actor, now, password_hash=new_hash)


def set_role(connection: Connection, name: str, role: Role, actor: str, now: float) -> Member:
    """Another role; ends every session of theirs."""
    return _change(connection, name, "staff.role_changed", actor, now, role=role)


def set_zone(connection: Connection, name: str, zone: str, actor: str, now: float) -> Member:
    """Another time zone for their pages."""
    who = member(connection, name)
    connection.execute(update(staff).where(staff.c.id == who.id).values(zone=zone))
    _tell(connection, "staff.zone_changed", name, actor, now, zone=zone)
    return member(connection, name)


def set_identity(
    connection: Connection, name: str, identity: str | None, actor: str, now: float
) -> Member:
    """Tie to, or part from, an identity at the OpenID provider; ends every session of theirs."""
    _free(connection, identity)
    return _change(connection, name, "staff.identity_changed", actor, now, identity=identity)


def disable(connection: Connection, name: str, actor: str, now: float) -> Member:
    """Let nobody sign in by this name; ends every session of theirs."""
    return _change(connection, name, "staff.disabled", actor, now, disabled_at=int(now))


def enable(connection: Connection, name: str, actor: str, now: float) -> Member:
    """Let them sign in again."""
    return _change(connection, name, "staff.enabled", actor, now, disabled_at=None)


# ---- the second factor --------------------------------------------------------------------------


def begin_totp(connection: Connection, keyring: Keyring, name: str, secret: str) -> None:
    """Keep a new secret (base32) until a first code shows that it arrived; drops an older one."""
    who = member(connection, name)
    _forget_secret(connection, who.id)
    subject = add_subject(connection, keyring.seal(secret))
    change = update(staff).where(staff.c.id == who.id)
    connection.execute(change.values(totp=subject, totp_step=None))


def totp_secret(connection: Connection, keyring: Keyring, name: str) -> str | None:
    """The secret, confirmed or not; None when there is none."""
    subject = connection.execute(select(staff.c.totp).where(staff.c.name == name)).scalar()
    return None if subject is None else plain_texts(connection, keyring, [subject]).get(subject)


def use_totp_step(connection: Connection, name: str, step: int, now: float) -> bool:
    """Use up a code by its step (RFC 6238 section 5.2); False when it or a later one was used."""
    who = member(connection, name)
    used = connection.execute(
        update(staff)
        .where(staff.c.id == who.id, or_(staff.c.totp_step.is_(None), staff.c.totp_step < step))
        .values(totp_step=step)
    )
    if used.rowcount and not who.has_totp:
        _tell(connection, "staff.totp_enrolled", name, name, now)
    return bool(used.rowcount)


def reset_totp(connection: Connection, name: str, actor: str, now: float) -> Member:
    """Forget the second factor, so that another can be enrolled; ends every session of theirs."""
    _forget_secret(connection, member(connection, name).id)
    return _change(connection, name, "staff.totp_reset", actor, now, totp=None, totp_step=None)


# -------------------------------------------------------------------------------------------------


def decoded(row: Row[tuple[object, ...]]) -> Member:
    """A row of the table as a member."""
    return Member(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        zone=row.zone,
        identity=row.identity,
        has_password=row.password_hash is not None,
        has_totp=row.totp_step is not None,
        made_at=row.made_at,
        made_by=row.made_by,
        disabled_at=row.disabled_at,
    )


def _change(
    connection: Connection, name: str, action: str, actor: str, now: float, **values: object
) -> Member:
    who = member(connection, name)
    connection.execute(update(staff).where(staff.c.id == who.id).values(**values))
    staff_sessions.end_all(connection, who.id)
    said = {"role": values["role"]} if "role" in values else {}
    _tell(connection, action, name, actor, now, **said)
    return member(connection, name)


def _forget_secret(connection: Connection, number: int) -> None:
    subject = connection.execute(select(staff.c.totp).where(staff.c.id == number)).scalar()
    connection.execute(update(staff).where(staff.c.id == number).values(totp=None, totp_step=None))
    if subject is not None:
        connection.execute(delete(subject_secrets).where(subject_secrets.c.subject == subject))
        connection.execute(delete(subjects).where(subjects.c.id == subject))


def _free(connection: Connection, identity: str | None) -> None:
    if identity is not None and (other := by_identity(connection, identity)):
        raise NameTaken(f"{other.name} has this identity already")


def _tell(
    connection: Connection, action: str, name: str, actor: str, now: float, **said: object
) -> None:
    detail = {"staff": name, **said}
    audit.append(connection, at=now, actor=actor, action=action, detail=detail)
