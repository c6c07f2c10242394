"""The gate before every page of the desk: session, origin, CSRF, role, size of body, headers.

`Gate` is ASGI around the application. It finds the session, refuses a POST from elsewhere (Origin
and Sec-Fetch-Site), any by an auditor and any body that is too large, leads strangers to sign-in
and sets the headers. `posted` reads a form and demands the session's token in it. `require` lets
in the roles named. Raises nothing: problems are `pages.Problem`, which the application answers.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request
from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import StoreUnavailable
from gateway.records import staff, staff_sessions
from gateway.records.database import Connection
from gateway.records.staff import Member, Role
from gateway.records.staff_sessions import Session
from gateway.web.desk import pages
from gateway.web.desk.pages import Problem
from gateway.web.desk.parts import Current, DeskParts
from gateway.web.desk.passwords import Passwords

MAX_BODY = 2**20
BODY_LIMITS = {"/lists/": 64 * 2**20}
"""Octets of bodies that may be larger, by the start of the path."""
OPEN = ("/sign-in", "/oidc", "/static/")
"""Paths that need no session."""
HALF = ("/second-factor", "/sign-out")
"""Paths that a session without its second factor reaches, and only these."""
LIVE = "/live"
"""What pages fetch by themselves: one that was left open is nobody's work."""
OWN = ("/sign-out", "/second-factor", "/me")
"""What an auditor may POST: things about their own sign-in."""
ASKING = ("/look-up", "/consents")
"""And these: a question whose address shall stand in no log of pages asked for changes nothing."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # With `no-referrer` browsers would send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Staff:
    """Who asks. `csrf` is what the forms of this session carry."""

    member: Member
    session: Session
    csrf: str

    @property
    def name(self) -> str:
        """As the audit trail names them."""
        return self.member.name

    @property
    def role(self) -> Role:
        """What they may do."""
        return self.member.role

    @property
    def zone(self) -> str:
        """The IANA time zone of their pages."""
        return self.member.zone

    def may(self, *roles: Role) -> bool:
        """Whether theirs is one of these."""
        return self.role in roles


CHANGES = (Role.ABUSE, Role.LEAD, Role.OPERATOR)
DECIDES = (Role.LEAD, Role.OPERATOR)


def require(*roles: Role) -> Callable[[Request], Staff]:
    """A dependency that gives who asks, if theirs is one of `roles`."""

    def check(request: Request) -> Staff:
        who = staff_of(request)
        if who.role not in roles:
            raise Problem(HTTPStatus.FORBIDDEN)
        return who

    return check


def staff_of(request: Request) -> Staff:
    """Who asks, signed in completely."""
    who: Staff | None = request.state.staff
    if who is None or not who.session.is_complete:
        raise Problem(HTTPStatus.FORBIDDEN)
    return who


def half_of(request: Request) -> Staff:
    """Who asks, who may not have shown a second factor yet."""
    who: Staff | None = request.state.staff
    if who is None:
        raise Problem(HTTPStatus.FORBIDDEN)
    return who


Anyone = Annotated[Staff, Depends(require(*Role))]
Worker = Annotated[Staff, Depends(require(*CHANGES))]
"""Abuse staff, leads, operators."""
Lead = Annotated[Staff, Depends(require(*DECIDES))]
"""Leads and operators."""
Operator = Annotated[Staff, Depends(require(Role.OPERATOR))]


class Form:
    """What a form says; texts without white space around them."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def text(self, name: str, most: int = 2000) -> str:
        """A field's text, "" when there is none; 400 when it is longer than `most`."""
        text = self.raw(name).strip()
        if len(text) > most:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return text.replace("\r\n", "\n")

    def raw(self, name: str) -> str:
        """A field's text as it was sent."""
        value = self._data.get(name, "")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        """A field's whole number, None when it says none."""
        text = self.text(name, 20)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

    def texts(self, name: str) -> list[str]:
        """Every text of a field that may be sent several times."""
        return [value.strip() for value in self._data.getlist(name) if isinstance(value, str)]

    def file(self, name: str) -> UploadFile | None:
        """A file that was sent along, None when none was."""
        value = self._data.get(name)
        return value if isinstance(value, UploadFile) and value.size else None


async def posted(request: Request) -> Form:
    """The form of a POST, once it has shown the session's token."""
    return await _form(request, staff_of(request))


async def half_posted(request: Request) -> Form:
    """The same of a session that may lack its second factor."""
    return await _form(request, half_of(request))


async def _form(request: Request, who: Staff) -> Form:
    form = await read_form(request)
    token = form.raw("csrf")
    if not hmac.compare_digest(token.encode(), who.csrf.encode()):
        raise Problem(HTTPStatus.FORBIDDEN)
    return form


async def read_form(request: Request) -> Form:
    """What a POST says, whoever sends it."""
    try:
        return Form(await request.form(max_files=1, max_fields=1000))
    except (ClientDisconnect, HTTPException):
        raise Problem(HTTPStatus.BAD_REQUEST) from None


Posted = Annotated[Form, Depends(posted)]
Number = Annotated[int, Path(ge=0, le=2**63 - 1)]
"""A row's number in a path: one that the records can hold."""
Half = Annotated[Staff, Depends(half_of)]
HalfPosted = Annotated[Form, Depends(half_posted)]


async def _checked(request: Request) -> None:
    """What every route of a screen demands, whether it asks for more or not."""
    staff_of(request)
    if request.method not in ("GET", "HEAD"):
        await posted(request)


CHECKED = Depends(_checked)


class Gate:
    """Lets a request through to `app` with `parts`, `staff` and `passwords` in its state."""

    def __init__(self, app: ASGIApp, current: Current, passwords: Passwords) -> None:
        self._app = app
        self._current = current
        self._passwords = passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        parts = self._current()
        request = Request(scope)
        path = path_of(scope)
        scope.setdefault("state", {}).update(parts=parts, staff=None, passwords=self._passwords)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            scope["state"]["staff"] = who = await _who(request, parts)
            answer = _refusal(request, path, who, parts)
        except StoreUnavailable:
            answer = pages.problem(request, HTTPStatus.SERVICE_UNAVAILABLE)
        if answer is not None:
            await answer(scope, receive, send_with_headers)
            return
        limited = _limited(receive, _limit(path))
        await self._app(scope, limited, send_with_headers)


def _refusal(request: Request, path: str, who: Staff | None, parts: DeskParts) -> Response | None:
    """The answer to what goes no further."""
    is_change = request.method not in ("GET", "HEAD")
    if is_change and not is_from_here(request.headers, parts):
        return pages.problem(request, HTTPStatus.FORBIDDEN)
    if request.scope["path"] == request.scope.get("root_path", ""):
        return pages.back_to(request, "")
    if path.startswith(OPEN):
        return None
    if who is None:
        return pages.to_sign_in(request)
    if not who.session.is_complete:
        return None if path.startswith(HALF) else pages.to_second_factor(request)
    is_own = path.startswith(OWN) or path in ASKING
    if is_change and who.role is Role.AUDITOR and not is_own:
        return pages.problem(request, HTTPStatus.FORBIDDEN)
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > _limit(path):
        return pages.problem(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None


def is_from_here(headers: Headers, parts: DeskParts) -> bool:
    """Whether a POST comes from a page of ours, as the browser says; one that says nothing is not.

    Sec-Fetch-Site is sent to https and loopback only, Origin with every POST of a form.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    link = urlsplit(parts.loaded.config.web.link)
    try:
        return urlsplit(origin).netloc in (headers.get("host", ""), link.netloc)
    except ValueError:  # no address at all
        return False


def cookie_name(parts: DeskParts, suffix: str = "") -> str:
    """The name of a cookie of the desk's; over plain http on loopback browsers take no prefix."""
    return ("__Host-desk" if parts.is_https else "desk") + suffix


def csrf_of(text: str) -> str:
    """The token in the forms of the session with this text: useless without the cookie."""
    digest = hmac.digest(text.encode(), b"consentry desk csrf", sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")


async def _who(request: Request, parts: DeskParts) -> Staff | None:
    text = request.cookies.get(cookie_name(parts))
    if not text:
        return None
    now = parts.clock()

    def find(connection: Connection) -> tuple[Session | None, Member | None]:
        session = staff_sessions.find(connection, text, now)
        return session, staff.member(connection, session.staff) if session else None

    # The pages behind it read on the event loop: who asks a server that is stopped ends here.
    session, member = await parts.database.read(find)
    if session is None or member is None:
        return None
    if session.is_stale(now) and not path_of(request.scope).startswith(LIVE):

        def see(connection: Connection) -> None:
            staff_sessions.see(connection, session.digest, now)

        await parts.database.write(see)
    return Staff(member, session, csrf_of(text))


def path_of(scope: Scope) -> str:
    """The path below the desk's own, "/" at its beginning."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _limit(path: str) -> int:
    return next((size for start, size in BODY_LIMITS.items() if path.startswith(start)), MAX_BODY)


def _limited(receive: Receive, limit: int) -> Receive:
    left = limit

    async def receive_some() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return receive_some
