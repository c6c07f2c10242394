"""Signing in through the OpenID provider that the configuration names.

`/oidc/start` sends the browser there with a state that a cookie of ours repeats, so that nobody can
be signed in by an answer that another browser fetched. `/oidc/callback` finds who came: by issuer
and `sub`, once by the verified address they were added with, or by the role that a claim gives.
Each flow counts once, for ten minutes. The session that begins needs no second factor of ours.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.config.desk import OidcSettings
from gateway.config.values import NAME
from gateway.errors import AddressSyntaxError
from gateway.events import Event
from gateway.message.address import parse_mailbox
from gateway.records import staff
from gateway.records.database import Connection
from gateway.records.staff import Member, NameTaken
from gateway.web.desk import sign_in
from gateway.web.desk.gate import cookie_name
from gateway.web.desk.pages import Problem, home, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.provider import Flow, Provider, ProviderError
from gateway.web.desk.sign_in_texts import TEXTS
from gateway.words import Role

FLOW_SECONDS = 600
MAX_FLOWS = 1000
ACTOR = "openid"


class Stranger(Exception):
    """Who came has no role here."""


class Flows:
    """Sign-ins under way, the oldest first."""

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}
        self._provider: Provider | None = None

    def begin(self, after: str) -> Flow:
        """A new one."""
        texts = [secrets.token_urlsafe(32) for _ in range(3)]
        flow = Flow(texts[0], texts[1], texts[2], after, time.monotonic())
        self._flows[flow.state] = flow
        if len(self._flows) > MAX_FLOWS:
            del self._flows[next(iter(self._flows))]
        return flow

    def end(self, state: str) -> Flow | None:
        """The one with that state, once."""
        flow = self._flows.pop(state, None)
        return flow if flow and time.monotonic() - flow.at < FLOW_SECONDS else None

    def provider(self, parts: DeskParts) -> Provider:
        """The provider in force; 404 when there is none."""
        config = parts.loaded.config
        if config.desk.oidc is None:
            raise Problem(HTTPStatus.NOT_FOUND)
        if self._provider is None or self._provider.settings != config.desk.oidc:
            self._provider = Provider(config.desk.oidc, f"{config.web.link}/desk/oidc/callback")
        return self._provider


def router(flows: Flows) -> APIRouter:
    """The two routes, over the sign-ins under way."""
    routes = APIRouter()

    @routes.get("/oidc/start")
    async def start(request: Request, parts: Parts) -> Response:
        provider = flows.provider(parts)
        flow = flows.begin(sign_in.safe(request.query_params.get("next", "")))
        try:
            response = RedirectResponse(await provider.address(flow), HTTPStatus.SEE_OTHER)
        except ProviderError as error:
            return _failed(request, parts, error, "oidc_failed")
        response.set_cookie(
            cookie_name(parts, "-oidc"),
            flow.state,
            max_age=FLOW_SECONDS,
            secure=parts.is_https,
            httponly=True,
            samesite="lax",  # it must come along with the provider's answer
        )
        return response

    @routes.get("/oidc/callback")
    async def callback(request: Request, parts: Parts) -> Response:
        provider = flows.provider(parts)
        said = request.query_params
        state, code = said.get("state", ""), said.get("code", "")
        kept = request.cookies.get(cookie_name(parts, "-oidc"), "")
        try:
            if not kept or not hmac.compare_digest(state.encode(), kept.encode()):
                raise ProviderError("the answer is not for this browser")
            flow = flows.end(state)
            if flow is None or not code:
                raise ProviderError(f"no flow, or no code: {said.get('error', '')!a}")
            claims = await provider.claims(flow, code, said.get("iss"))
            member = await _member(parts, provider.settings, claims)
        except ProviderError as error:
            return _failed(request, parts, error, "oidc_failed")
        except (Stranger, NameTaken) as error:
            return _failed(request, parts, error, "oidc_stranger")
        text = await sign_in.begin(request, parts, member, ACTOR, is_complete=True)
        # The session's cookie is not sent along while the provider's page leads; our own page
        # leads on with it.
        response = page(request, "onward", TEXTS, target=home(request) + flow.after)
        response.headers["Referrer-Policy"] = "no-referrer"  # the address has the code in it
        sign_in.set_session(response, parts, text)
        response.delete_cookie(cookie_name(parts, "-oidc"), secure=parts.is_https, httponly=True)
        return response

    return routes


async def _member(parts: DeskParts, oidc: OidcSettings, claims: dict[str, Any]) -> Member:
    """Who these claims are about, with the role that they have now."""
    identity = staff.oidc_identity(oidc.issuer, str(claims["sub"]))
    role, now = role_of(oidc, claims), parts.clock()
    if oidc.role_claim and role is None:
        raise Stranger(f"{claims['sub']!a} has no role in the claim {oidc.role_claim}")

    def work(connection: Connection) -> Member:
        member = staff.by_identity(connection, identity)
        if member is None and (known := _by_email(connection, parts, claims)) is not None:
            member = staff.set_identity(connection, known.name, identity, ACTOR, now)
        if member is None and role is not None:
            zone, name = parts.loaded.config.desk.zone, name_of(claims)
            member = staff.add(connection, name, role, zone, None, identity, ACTOR, now)
        if member is None or member.disabled_at is not None:
            raise Stranger(f"nobody here is {claims['sub']!a}")
        if role is not None and role is not member.role:
            member = staff.set_role(connection, member.name, role, ACTOR, now)
        return member

    return await parts.database.write(work)


def _by_email(connection: Connection, parts: DeskParts, claims: dict[str, Any]) -> Member | None:
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    try:
        return staff.by_email(connection, parts.keyring, parse_mailbox(email))
    except AddressSyntaxError:
        return None


def role_of(oidc: OidcSettings, claims: dict[str, Any]) -> Role | None:
    """The first of the configured roles that the claim has."""
    said = claims.get(oidc.role_claim) if oidc.role_claim else None
    values = said if isinstance(said, list) else [said]
    return next((role for value, role in oidc.roles.items() if value in values), None)


def name_of(claims: dict[str, Any]) -> str:
    """A name for somebody new: their user name there as far as one of ours may look like it."""
    said = str(claims.get("preferred_username") or claims["sub"]).partition("@")[0]
    name = re.sub(r"[^a-z0-9]+", "-", said.lower()).strip("-")[:63]
    if not re.fullmatch(NAME, name):
        raise Stranger(f"{said!a} gives no name")
    return name


def _failed(request: Request, parts: DeskParts, error: Exception, trouble: str) -> Response:
    detail: dict[str, object] = {"reason": str(error), "by": ACTOR}
    parts.emit(Event("desk.sign_in_failed", parts.clock(), detail=detail))
    return sign_in.ask(request, parts, status=HTTPStatus.FORBIDDEN, trouble=trouble)
