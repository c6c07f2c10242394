"""One's own settings: time zone, password, second factor."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.config.desk import as_zone
from gateway.config.edit import LEAST_PASSWORD
from gateway.records import staff, staff_sessions
from gateway.records.database import Connection
from gateway.web.desk import totp
from gateway.web.desk.gate import Anyone, Posted, Staff
from gateway.web.desk.pages import Problem, back_to, page
from gateway.web.desk.parts import Parts
from gateway.web.desk.passwords import MAX_PASSWORD, Busy, Hashing, Locked
from gateway.web.desk.sign_in import set_session
from gateway.web.desk.sign_in_texts import TEXTS

routes = APIRouter()


def _show(
    request: Request, who: Staff, trouble: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    return page(request, "me", TEXTS, status, who=who, trouble=trouble)


@routes.get("/me")
async def me(request: Request, who: Anyone) -> Response:
    """What one may change."""
    return _show(request, who)


@routes.post("/me/zone")
async def set_zone(request: Request, parts: Parts, who: Anyone, form: Posted) -> Response:
    """Another time zone."""
    try:
        zone = as_zone(form.text("zone", 64))
    except ValueError:
        return _show(request, who, "zone_wrong", HTTPStatus.BAD_REQUEST)
    now = parts.clock()
    await parts.database.write(
        lambda connection: staff.set_zone(connection, who.name, zone, who.name, now)
    )
    return back_to(request, "me")


@routes.post("/me/password")
async def set_password(
    request: Request, parts: Parts, who: Anyone, form: Posted, passwords: Hashing
) -> Response:
    """Another password; every session of theirs ends but this one."""
    given, new = form.raw("password"), form.raw("new")
    if not LEAST_PASSWORD <= len(new) <= MAX_PASSWORD or not new.isprintable():
        return _show(request, who, "unfit", HTTPStatus.BAD_REQUEST)
    try:
        member = await passwords.check(parts.database, "", who.name, given)
        hashed = await passwords.hash(new)
    except (Locked, Busy):
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS) from None
    if member is None:
        return _show(request, who, "wrong", HTTPStatus.FORBIDDEN)
    now = parts.clock()

    def work(connection: Connection) -> str:
        staff.set_password(connection, who.name, hashed, who.name, now)
        return staff_sessions.begin(connection, member.id, is_complete=True, now=now)

    response = back_to(request, "me")
    set_session(response, parts, await parts.database.write(work))
    return response


@routes.post("/me/second-factor")
async def enrol(request: Request, parts: Parts, who: Anyone, _form: Posted) -> Response:
    """Begin to set up a second factor."""
    if who.member.has_totp:
        raise Problem(HTTPStatus.CONFLICT)
    await parts.database.write(
        lambda connection: staff.begin_totp(connection, parts.keyring, who.name, totp.new_secret())
    )
    return back_to(request, "second-factor")
