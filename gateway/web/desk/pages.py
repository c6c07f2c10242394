"""Pages of the desk: templates filled with a screen's texts and with what every page shows.

`page` gives an HTML response in the reader's language (`?lang=`, then the cookie that it leaves,
then Accept-Language); everything filled in is escaped. Templates get `t` (the desk's texts and the
screen's), `staff`, `home` (the relative way to `/desk/`), `csrf` (a form's hidden field), `when`
(an instant in the reader's zone, UTC on hover), `lasts` (a duration in words), `nav`, `undoings`.
A `Problem` raised anywhere below the desk becomes the page of its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gateway.errors import StoreUnavailable
from gateway.records import undoings
from gateway.records.staff import Role
from gateway.web.desk.texts import PROBLEMS, TEXTS
from gateway.web.pages import NAMES, choose_language

if TYPE_CHECKING:
    from gateway.web.desk.gate import Staff

Texts = Mapping[str, Mapping[str, str]]
STATIC = {
    "desk.css": "text/css",
    "desk.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Problem(Exception):
    """Ends a request with the page of `status`; `detail` says more, in the reader's language."""

    def __init__(self, status: HTTPStatus, detail: str = "") -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail


@cache
def static_file(name: str) -> bytes:
    """The octets of one file that pages refer to."""
    return files("gateway.web").joinpath(f"static/desk/{name}").read_bytes()


@cache
def _version() -> str:
    """Changes whenever a file that pages refer to does."""
    return sha256(b"".join(map(static_file, STATIC))).hexdigest()[:12]


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(
    request: Request,
    template: str,
    texts: Texts,
    status: HTTPStatus = HTTPStatus.OK,
    **values: object,
) -> Response:
    """The page `desk/<template>.html` with `values` filled in."""
    # Imported here: the screens that the navigation leads to are made of pages.
    from gateway.web.desk.screens import SCREENS

    who: Staff | None = request.state.staff
    language = language_of(request)
    shown = who if who is not None and who.session.is_complete else None
    zone = ZoneInfo(who.zone) if who else ZoneInfo("UTC")
    body = (
        _templates()
        .get_template(f"desk/{template}.html")
        .render(
            language=language,
            others={other: name for other, name in NAMES.items() if other != language},
            t={**TEXTS[language], **texts[language]},
            home=home(request),
            here=request.scope["path"],
            again=_again(request),
            version=_version(),
            staff=shown,
            roles=Role,
            nav=[screen for screen in SCREENS if shown and screen.is_for(shown.role)],
            undoings=_undoings(request, shown, language) if shown else (),
            now=request.state.parts.clock(),
            csrf=Markup('<input type="hidden" name="csrf" value="{}">').format(
                who.csrf if who else ""
            ),
            when=lambda seconds: when(seconds, zone),
            lasts=lambda seconds: lasts(seconds, language),
            **values,
        )
    )
    response = HTMLResponse(body, status)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language, Cookie"
    if request.query_params.get("lang") == language:
        response.set_cookie(
            "desk-lang", language, max_age=365 * 86_400, samesite="strict", httponly=True,
            secure=request.state.parts.is_https,
        )  # fmt: skip
    return response


def _again(request: Request) -> str:
    """Where this page is in another language: the same address, or for what only a form leads to,
    the screen that it began on."""
    from gateway.web.desk.screens import SCREENS

    if request.method in ("GET", "HEAD"):
        return ""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    first = path.lstrip("/").partition("/")[0]
    pages = {"sign-in", "second-factor", "me", "new-case", *(screen.path for screen in SCREENS)}
    return home(request) + (first if first in pages else "")


def _undoings(request: Request, who: Staff, language: str) -> list[dict[str, object]]:
    """What who asks can still take back."""
    from gateway.web.desk.dangerous import title_of

    parts = request.state.parts
    try:
        with parts.database.reading() as connection:
            found = undoings.standing(connection, who.member.id, parts.clock())
    except StoreUnavailable:
        return []  # the page may be the one that says so
    return [
        {
            "id": one.id,
            "title": title_of(one, language),
            "ends_at": one.ends_at,
            "until": f"{datetime.fromtimestamp(one.ends_at, ZoneInfo(who.zone)):%H:%M:%S}",
        }
        for one in found
    ]


def problem(request: Request, status: HTTPStatus, detail: str = "") -> Response:
    """The page that says why there is no other."""
    known = PROBLEMS[language_of(request)]
    title, text = known.get(status, known[HTTPStatus.INTERNAL_SERVER_ERROR])
    return page(request, "problem", TEXTS, status, title=title, text=text, detail=detail)


def back_to(request: Request, path: str) -> Response:
    """Where to go after a POST: `path` below the desk, by 303."""
    return RedirectResponse(home(request) + path, HTTPStatus.SEE_OTHER)


def to_sign_in(request: Request) -> Response:
    """Lead a stranger to sign-in, and back afterwards when it was a page that was asked for."""
    if "hx-request" in request.headers or request.url.path.endswith("/live"):
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Refresh": "true"})
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        # The cookie is not sent along by a link from elsewhere; a page of ours leads on with it.
        return page(request, "onward", TEXTS, target="")
    path = request.url.path.removeprefix(request.scope.get("root_path", "")).lstrip("/")
    query = f"?{request.url.query}" if request.url.query else ""
    after = f"?next={quote(path + query, safe='')}" if path and request.method == "GET" else ""
    return back_to(request, f"sign-in{after}")


def to_second_factor(request: Request) -> Response:
    """Lead a session that lacks it to its second factor."""
    return back_to(request, "second-factor")


def home(request: Request) -> str:
    """The relative way from this page to the desk's first, ending in a slash.

    Relative, since the public address may have a path of its own.
    """
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if not path:
        return f"{request.scope.get('root_path', '').rsplit('/', 1)[-1]}/"
    return "../" * (path.count("/") - 1) or "./"


def language_of(request: Request) -> str:
    """The language to answer a request in."""
    for wanted in (request.query_params.get("lang", ""), request.cookies.get("desk-lang", "")):
        if wanted in TEXTS:
            return wanted
    return choose_language(request.headers.get("accept-language", ""))


def when(seconds: float | None, zone: ZoneInfo) -> Markup:
    """An instant as people there write it, with UTC on hover; a dash for none."""
    if seconds is None:
        return Markup("&ndash;")
    utc = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        utc.isoformat(), f"{utc:%Y-%m-%d %H:%M:%S}", f"{utc.astimezone(zone):%Y-%m-%d %H:%M}"
    )


def lasts(seconds: float, language: str) -> str:
    """A duration in its two largest units: `2 h 10 min`."""
    units = {"en": ("d", "h", "min", "s"), "pl": ("d", "godz.", "min", "s")}[language]
    rest = int(abs(seconds))
    counts = (rest // 86_400, rest // 3600 % 24, rest // 60 % 60, rest % 60)
    first = next((place for place, count in enumerate(counts) if count), 3)
    pairs = list(zip(counts, units, strict=True))[first : first + 2]
    return " ".join(f"{count} {unit}" for count, unit in pairs if count) or f"0 {units[3]}"
