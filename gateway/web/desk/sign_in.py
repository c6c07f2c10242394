"""Signing in with name, password and second factor, and out again.

A session's text is new at sign-in and again once the second factor was shown, so that one planted
or seen before is worth nothing. Who must show a factor and has none enrols it here, behind the
password. Every answer to a wrong name or password is the same.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup

from gateway.config.desk import Totp
from gateway.events import Event
from gateway.networks import network_of
from gateway.records import audit, staff, staff_sessions
from gateway.records.database import Connection
from gateway.records.staff import Member
from gateway.web.desk import totp
from gateway.web.desk.gate import (
    Form,
    Half,
    HalfPosted,
    cookie_name,
    read_form,
)
from gateway.web.desk.pages import back_to, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.passwords import Busy, Failures, Hashing, Locked
from gateway.web.desk.sign_in_texts import TEXTS
from gateway.web.visitor import visitor

WRONG_CODES = 5
"""Of one name in ten minutes, before no further is looked at."""
_NEXT = re.compile(r"[a-z0-9-]+(?:/[A-Za-z0-9._~%*@-]+)*(?:\?[A-Za-z0-9._~%&=*+-]*)?", re.ASCII)


def router(codes: Failures) -> APIRouter:
    """The routes, over what counts wrong codes."""
    routes = APIRouter()
    turn = asyncio.Lock()

    @routes.get("/sign-in")
    async def show(request: Request, parts: Parts) -> Response:
        return ask(request, parts, after=request.query_params.get("next", ""))

    @routes.post("/sign-in")
    async def sign_in(
        request: Request, parts: Parts, form: StrangersForm, passwords: Hashing
    ) -> Response:
        name, after = form.text("name", 64), form.text("next", 500)
        client = visitor(request, parts.loaded.config.web.proxy_from).ip
        try:
            member = await passwords.check(
                parts.database, network_of(client), name, form.raw("password")
            )
        except (Locked, Busy) as error:
            is_locked = isinstance(error, Locked)
            _failed(parts, client, "locked" if is_locked else "busy")
            status = HTTPStatus.TOO_MANY_REQUESTS if is_locked else HTTPStatus.SERVICE_UNAVAILABLE
            return ask(request, parts, after, status, "locked" if is_locked else "busy")
        if member is None:
            _failed(parts, client, "wrong name or password")
            return ask(request, parts, after, HTTPStatus.FORBIDDEN, "wrong")
        needs_code = member.has_totp or parts.loaded.config.desk.totp is Totp.REQUIRED
        text = await begin(request, parts, member, "password", is_complete=not needs_code)
        response = back_to(request, "second-factor" if needs_code else safe(after))
        set_session(response, parts, text)
        return response

    @routes.get("/second-factor")
    async def ask_code(request: Request, parts: Parts, who: Half) -> Response:
        return _ask_code(request, parts, who.member)

    @routes.post("/second-factor")
    async def show_code(request: Request, parts: Parts, who: Half, form: HalfPosted) -> Response:
        now, code = parts.clock(), form.text("code", 20)

        def work(connection: Connection) -> str | None:
            secret = staff.totp_secret(connection, parts.keyring, who.name)
            step = totp.step_of(secret, code, now) if secret else None
            if step is None or not staff.use_totp_step(connection, who.name, step, now):
                return None
            text = staff_sessions.complete(connection, who.session.digest, now)
            if text is not None and not who.session.is_complete:
                _signed_in(connection, who.name, "password and code", now)
            return text

        async with turn:  # many sent at once are counted like many sent in a row
            try:
                codes.check("", who.name)
            except Locked:
                status = HTTPStatus.TOO_MANY_REQUESTS
                return _ask_code(request, parts, who.member, status, "locked")
            text = await parts.database.write(work)
            if text is None:
                codes.add("", who.name)
        if text is None:
            _failed(parts, visitor(request, parts.loaded.config.web.proxy_from).ip, "wrong code")
            return _ask_code(request, parts, who.member, HTTPStatus.FORBIDDEN, "wrong_code")
        response = back_to(request, "")
        set_session(response, parts, text)
        return response

    @routes.post("/sign-out")
    async def sign_out(request: Request, parts: Parts, who: Half, _form: HalfPosted) -> Response:
        def work(connection: Connection) -> None:
            staff_sessions.end(connection, who.session.digest)
            audit.append(connection, at=parts.clock(), actor=who.name, action="staff.signed_out")

        await parts.database.write(work)
        response = back_to(request, "sign-in")
        response.delete_cookie(cookie_name(parts), secure=parts.is_https, httponly=True)
        return response

    return routes


async def begin(
    request: Request, parts: DeskParts, member: Member, by: str, *, is_complete: bool
) -> str:
    """Begin a session of `member`'s in place of the one that the request came with, if any."""
    now = parts.clock()
    old = request.cookies.get(cookie_name(parts), "")

    def work(connection: Connection) -> str:
        staff_sessions.end(connection, staff_sessions.digest_of(old))
        if is_complete:
            _signed_in(connection, member.name, by, now)
        elif staff.totp_secret(connection, parts.keyring, member.name) is None:
            staff.begin_totp(connection, parts.keyring, member.name, totp.new_secret())
        return staff_sessions.begin(connection, member.id, is_complete=is_complete, now=now)

    return await parts.database.write(work)


def set_session(response: Response, parts: DeskParts, text: str) -> None:
    """Have the browser keep the session's text until it ends, and show it to nobody else."""
    response.set_cookie(
        cookie_name(parts),
        text,
        max_age=staff_sessions.LONGEST,
        secure=parts.is_https,
        httponly=True,
        samesite="strict",
    )


def safe(after: str) -> str:
    """Where to go after sign-in: a page below the desk, or its first."""
    return after if _NEXT.fullmatch(after) and ".." not in after else ""


async def _strangers_form(request: Request) -> Form:
    """A form before there is a session; that it is ours the gate has seen by its origin."""
    return await read_form(request)


StrangersForm = Annotated[Form, Depends(_strangers_form)]


def ask(
    request: Request,
    parts: DeskParts,
    after: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    trouble: str = "",
) -> Response:
    """The page to sign in at, with what went wrong."""
    oidc = parts.loaded.config.desk.oidc
    return page(
        request,
        "sign_in",
        TEXTS,
        status,
        after=safe(after),
        trouble=trouble,
        provider=oidc.name if oidc else "",
    )


def _ask_code(
    request: Request,
    parts: DeskParts,
    member: Member,
    status: HTTPStatus = HTTPStatus.OK,
    trouble: str = "",
) -> Response:
    secret = ""
    if not member.has_totp:  # an enrolled secret is never shown again
        with parts.database.reading() as connection:
            secret = staff.totp_secret(connection, parts.keyring, member.name) or ""
        if not secret:
            return back_to(request, "me")
    address = totp.address(secret, member.name, parts.loaded.config.hostname) if secret else ""
    return page(
        request,
        "second_factor",
        TEXTS,
        status,
        name=member.name,
        trouble=trouble,
        secret=" ".join(re.findall(".{1,4}", secret)),
        address=address,
        picture=Markup(totp.picture(address)) if address else "",  # noqa: S704 - our own SVG
    )


def _signed_in(connection: Connection, name: str, by: str, now: float) -> None:
    audit.append(
        connection, at=now, actor=name, action="staff.signed_in", detail={"staff": name, "by": by}
    )


def _failed(parts: DeskParts, client: str, reason: str) -> None:
    detail: dict[str, object] = {"client": client, "reason": reason}
    parts.emit(Event("desk.sign_in_failed", parts.clock(), detail=detail))
