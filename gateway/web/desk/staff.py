"""*Staff*: who may sign in, for operators only. Nobody changes themselves here.

A password is made here and shown once, to the operator who hands it over; its owner may change it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.config.desk import as_zone
from gateway.config.edit import new_password
from gateway.config.values import NAME
from gateway.records import staff as members
from gateway.records.database import Connection
from gateway.records.staff import Member, NameTaken
from gateway.web.desk.gate import Form, Operator, Posted, Staff
from gateway.web.desk.pages import Problem, back_to, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.passwords import Busy, Hashing, Passwords
from gateway.words import Role

Act = Callable[[Connection, str, str, float], Member]
ACTS: dict[str, Act] = {
    "disable": members.disable,
    "enable": members.enable,
    "totp-reset": members.reset_totp,
}


routes = APIRouter()


async def _made(passwords: Passwords) -> tuple[str, str]:
    secret = new_password()
    try:
        return secret, await passwords.hash(secret)
    except Busy:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE) from None


@routes.get("/staff")
async def show(request: Request, parts: Parts, _who: Operator) -> Response:
    """Everybody."""
    return _page(request, parts)


@routes.post("/staff")
async def add(
    request: Request, parts: Parts, who: Operator, form: Posted, passwords: Hashing
) -> Response:
    """Let somebody in, by a password that the answer shows."""
    name, zone = form.text("name", 64), form.text("zone", 64) or parts.loaded.config.desk.zone
    if not re.fullmatch(NAME, name):
        return _page(request, parts, "name_wrong")
    try:
        zone = as_zone(zone)
    except ValueError:
        return _page(request, parts, "zone_wrong")
    role, now = _role(form), parts.clock()
    secret, hashed = await _made(passwords)
    try:
        await parts.database.write(
            lambda cn: members.add(cn, name, role, zone, hashed, None, who.name, now)
        )
    except NameTaken:
        return _page(request, parts, "name_taken")
    return _page(request, parts, shown=(name, secret))


@routes.post("/staff/{name}/role")
async def role(request: Request, name: str, parts: Parts, who: Operator, form: Posted) -> Response:
    """Give another role."""
    chosen = _role(form)
    await _change(parts, who, name, lambda cn, at, by, now: members.set_role(
        cn, at, chosen, by, now
    ))  # fmt: skip
    return back_to(request, "staff")


@routes.post("/staff/{name}/password")
async def password(
    request: Request, name: str, parts: Parts, who: Operator, _form: Posted, passwords: Hashing
) -> Response:
    """Make another password, which the answer shows."""
    secret, hashed = await _made(passwords)
    await _change(parts, who, name, lambda cn, at, by, now: members.set_password(
        cn, at, hashed, by, now
    ))  # fmt: skip
    return _page(request, parts, shown=(name, secret))


@routes.post("/staff/{name}/{act}")
async def act(
    request: Request, name: str, act: str, parts: Parts, who: Operator, _form: Posted
) -> Response:
    """Disable, enable, or forget the second factor."""
    if act not in ACTS:
        raise Problem(HTTPStatus.NOT_FOUND)
    await _change(parts, who, name, ACTS[act])
    return back_to(request, "staff")


async def _change(parts: DeskParts, who: Staff, name: str, act: Act) -> None:
    if name == who.name:
        raise Problem(HTTPStatus.CONFLICT)
    now = parts.clock()
    try:
        await parts.database.write(lambda connection: act(connection, name, who.name, now))
    except LookupError:
        raise Problem(HTTPStatus.NOT_FOUND) from None


def _role(form: Form) -> Role:
    try:
        return Role(form.text("role", 20))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None


def _page(
    request: Request, parts: DeskParts, trouble: str = "", shown: tuple[str, str] = ("", "")
) -> Response:
    with parts.database.reading() as connection:
        found = members.members(connection)
    status = HTTPStatus.BAD_REQUEST if trouble else HTTPStatus.OK
    return page(
        request, "staff", TEXTS, status, members=found, trouble=trouble, shown=shown,
        zone=parts.loaded.config.desk.zone,
    )  # fmt: skip


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "name": "Name",
        "role": "Role",
        "zone": "Time zone",
        "by": "Signs in by",
        "by_password": "password",
        "by_code": "code",
        "by_openid": "OpenID",
        "since": "Since",
        "state": "State",
        "in_force": "may sign in",
        "disabled": "disabled",
        "you": "you",
        "set": "Set role",
        "new_password": "New password",
        "disable": "Disable",
        "enable": "Let in again",
        "totp_reset": "Reset code",
        "change": "Change …",
        "add": "Let somebody in",
        "add_text": "A password is made and shown once; they set up their second factor at their "
        "first sign-in.",
        "shown": "Password of {name}, shown this once:",
        "name_wrong": "A name has lower-case letters, digits and hyphens.",
        "name_taken": "There is somebody of that name already.",
        "zone_wrong": "That is no time zone. Write one such as Europe/Warsaw.",
    },
    "pl": {
        "name": "Nazwa",
        "role": "Rola",
        "zone": "Strefa czasowa",
        "by": "Loguje się przez",
        "by_password": "hasło",
        "by_code": "kod",
        "by_openid": "OpenID",
        "since": "Od",
        "state": "Stan",
        "in_force": "może się logować",
        "disabled": "wyłączony",
        "you": "to Ty",
        "set": "Ustaw rolę",
        "new_password": "Nowe hasło",
        "disable": "Wyłącz",
        "enable": "Wpuść ponownie",
        "totp_reset": "Zresetuj kod",
        "change": "Zmień …",
        "add": "Wpuść kogoś",
        "add_text": "Hasło powstaje tutaj i jest pokazywane raz; drugi składnik ustawia się przy "
        "pierwszym logowaniu.",
        "shown": "Hasło dla {name}, pokazane tylko raz:",
        "name_wrong": "Nazwa składa się z małych liter, cyfr i łączników.",
        "name_taken": "Ktoś o tej nazwie już jest.",
        "zone_wrong": "Nie ma takiej strefy czasowej. Wpisz na przykład Europe/Warsaw.",
    },
}
