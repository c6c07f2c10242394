"""Who reaches what at the desk: strangers nothing, each role what the table here says, nobody by a
request from elsewhere. The table is written by hand, so that a route that forgot to ask for a role,
or is not in it, is found; it says nothing of what a role may decide within a case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from argon2 import PasswordHasher

from gateway.records import staff, staff_sessions
from gateway.records.streams import stream_number
from gateway.web.desk.app import desk_app
from gateway.web.desk.gate import csrf_of
from gateway.web.desk.live import Live
from gateway.words import Role
from suppression.case_links import case_link
from suppression.tokens import Tokens

if TYPE_CHECKING:
    from conftest import World

HOST = "http://localhost:8080"
PASSWORD = "a password of staff"
ALL = frozenset(Role)
WORK = frozenset({Role.ABUSE, Role.LEAD, Role.OPERATOR})
LEAD = frozenset({Role.LEAD, Role.OPERATOR})
RUN = frozenset({Role.OPERATOR})
OPEN = {
    "GET /sign-in", "POST /sign-in", "GET /static/{name}", "GET /oidc/start", "GET /oidc/callback",
}  # fmt: skip
"""What strangers reach."""
HALF = {"GET /second-factor", "POST /second-factor", "POST /sign-out"}
"""What a session reaches that lacks its second factor."""
MAY = {
    "GET /": ALL,
    "GET /live": ALL,
    "GET /live/queues": ALL,
    "GET /me": ALL,
    "POST /me/zone": ALL,
    "POST /me/password": ALL,
    "POST /me/second-factor": ALL,
    "POST /undo/{number}": WORK,
    "GET /cases": ALL,
    "GET /cases/{name}": ALL,
    "GET /cases/{name}/evidence/{file}": ALL,
    "POST /cases/{name}/decide": WORK,
    "POST /cases/{name}/note": WORK,
    "POST /cases/{name}/notices/{notice}/again": WORK,
    "GET /new-case": WORK,
    "POST /new-case": WORK,
    "GET /look-up": ALL,
    "POST /look-up": ALL,
    "POST /look-up/reveal": WORK,
    "POST /look-up/suppress": WORK,
    "POST /look-up/lift": WORK,
    "POST /look-up/request": WORK,
    "POST /look-up/report": WORK,
    "GET /tenants": ALL,
    "GET /tenants/{name}": ALL,
    "GET /tenants/{name}/dns": ALL,
    "GET /reports": ALL,
    "GET /reports/{number}": ALL,
    "POST /reports/{number}": WORK,
    "POST /reports/{number}/reveal": WORK,
    "GET /storms": ALL,
    "POST /storms/{number}/{decision}": WORK,
    "GET /blocks": ALL,
    "POST /blocks": WORK,
    "POST /blocks/{number}/lift": WORK,
    "GET /lists": ALL,
    "GET /lists/sources": ALL,
    "GET /lists/add": WORK,
    "POST /lists/add": WORK,
    "POST /lists/lift": WORK,
    "GET /lists/import": WORK,
    "POST /lists/import": WORK,
    "POST /lists/import/confirm": WORK,
    "GET /consents": ALL,
    "POST /consents": ALL,
    "GET /consents/attestations": ALL,
    "GET /consents/verify": ALL,
    "GET /consents/{tracking}": ALL,
    "POST /consents/{tracking}/reveal": WORK,
    "POST /consents/{tracking}/sheet": WORK,
    "POST /consents/{tracking}/revoke": WORK,
    "GET /subjects": ALL,
    "GET /subjects/new": WORK,
    "POST /subjects/new": WORK,
    "GET /subjects/{number}": ALL,
    "POST /subjects/{number}/report": WORK,
    "POST /subjects/{number}/rectify": WORK,
    "POST /subjects/{number}/object": WORK,
    "POST /subjects/{number}/restrict": WORK,
    "POST /subjects/{number}/unrestrict": WORK,
    "POST /subjects/{number}/extend": WORK,
    "POST /subjects/{number}/close": WORK,
    "POST /subjects/{number}/erase": LEAD,
    "GET /audit": ALL,
    "GET /audit/chain": ALL,
    "GET /staff": RUN,
    "POST /staff": RUN,
    "POST /staff/{name}/role": RUN,
    "POST /staff/{name}/password": RUN,
    "POST /staff/{name}/{act}": RUN,
}
SECRET = b"acme.test"
"""Stands on the pages of the case here, and on no page of sign-in or refusal."""
OURS = {"Sec-Fetch-Site": "same-origin", "Origin": HOST}
ELSEWHERE: dict[str, dict[str, str]] = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.test"},
    "another origin": {"Origin": "https://elsewhere.test"},
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost:8080"},
    "no page": {},
    "a sandbox": {"Origin": "null"},
}


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """These routes and those of the routers among them."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from _flat(inner.routes) if inner is not None else (route,)


@dataclass
class Desk:
    """The desk's application, asked as anybody."""

    app: Any
    world: World
    case: str
    members: dict[Role, int]

    @property
    def routes(self) -> list[str]:
        """Every method and path, those of included routers too."""
        return [
            f"{method} {route.path}"
            for route in _flat(self.app._app.routes)
            for method in route.methods - {"HEAD"}
        ]

    @property
    def needing(self) -> list[str]:
        """The routes that need a session."""
        return [route for route in self.routes if route not in OPEN]

    def session(self, role: Role, *, is_complete: bool = True) -> str:
        """The cookie of a new session."""
        with self.world.database.transaction() as connection:
            return staff_sessions.begin(
                connection, self.members[role], is_complete=is_complete, now=self.world.now
            )

    def records(self) -> list[Any]:
        """How many rows every table holds but the sessions'."""
        with self.world.database.reading() as connection:
            tables = connection.exec_driver_sql(
                "SELECT name FROM sqlite_schema WHERE type='table' AND name<>'staff_sessions'"
            ).scalars()
            return [
                (name, connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar())
                for name in sorted(tables)
            ]

    async def ask(
        self, route: str, session: str = "", headers: dict[str, str] = OURS, **fields: str
    ) -> httpx.Response:
        """The answer to one request, with path parameters that name nothing but the case."""
        method, _, path = route.partition(" ")
        path = path.replace("/cases/{name}", f"/cases/{self.case}")
        path = path.replace("{act}", "disable").replace("{name}", "nobody")
        for name in ("number", "file", "notice"):
            path = path.replace(f"{{{name}}}", "999999")
        path = path.replace("{tracking}", "0" * 32)
        data = fields if method == "POST" else None
        transport = httpx.ASGITransport(self.app, root_path="/desk", raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            if session:
                client.cookies.set("desk", session)
            return await client.request(method, f"/desk{path}", headers=headers, data=data)


@pytest.fixture(scope="module")
def desk(world: World) -> Iterator[Desk]:
    """A desk with one case and one member of staff for each role."""
    members = {}
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with world.database.transaction() as connection:
        for role in Role:
            name = f"spare-{role}"
            staff.add(connection, name, role, "UTC", hashed, None, "test", world.now)
            members[role] = staff.member(connection, name).id
    case = world.open("acme").case
    live = Live()
    yield Desk(desk_app(lambda: world.parts, live), world, f"C-{case.id:06d}", members)
    live.close()


def test_the_table_knows_every_route(desk: Desk) -> None:
    """A route is open to strangers, to half a session, or stands in the table."""
    known = OPEN | HALF | MAY.keys()
    routes = set(desk.routes)
    assert (routes - known, known - routes) == (set(), set())


async def test_strangers_see_nothing(desk: Desk) -> None:
    """Without a session, with one made up, and with half of one, every page leads to sign-in."""
    half = desk.session(Role.OPERATOR, is_complete=False)
    for route in desk.needing:
        for session in ("", "made-up", half):
            if session == half and route in HALF:
                continue
            answer = await desk.ask(route, session, csrf=csrf_of(session))
            assert answer.status_code in (303, 401), (route, answer.status_code)
            place = answer.headers.get("location", "")
            assert not answer.content, route
            assert "sign-in" in place or "second-factor" in place or answer.status_code == 401
        rushed = await desk.ask(route, "", {**OURS, "HX-Request": "true"})
        assert (rushed.status_code, rushed.content) == (401, b""), route


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_reaches_what_it_may(desk: Desk, role: Role) -> None:
    """What is not its own is refused without a record; the rest is not refused."""
    for route, roles in MAY.items():
        if role in roles and route == "GET /live":
            continue  # never ends
        session = desk.session(role)
        answer = await desk.ask(route, session, csrf=csrf_of(session))
        if role in roles:
            assert answer.status_code not in (401, 403, 500), (route, answer.status_code)
        else:
            assert answer.status_code == 403, (route, answer.status_code)
            assert SECRET not in answer.content


async def test_the_case_is_there_to_be_seen(desk: Desk) -> None:
    """Else what strangers do not see would prove nothing."""
    answer = await desk.ask("GET /cases/{name}", desk.session(Role.AUDITOR))
    assert SECRET in answer.content


async def test_a_form_needs_the_token_of_its_own_session(desk: Desk) -> None:
    """None, a wrong one, and that of another session of the same person change nothing."""
    mine, other = desk.session(Role.OPERATOR), desk.session(Role.OPERATOR)
    before = desk.records()
    for route in desk.needing:
        if not route.startswith("POST "):
            continue
        tokens: list[dict[str, str]] = [{}, {"csrf": ""}, {"csrf": "x" * 43}]
        for fields in (*tokens, {"csrf": csrf_of(other)}, {"csrf": csrf_of("")}):
            answer = await desk.ask(route, mine, **fields)
            assert answer.status_code == 403, (route, fields, answer.status_code)
    assert desk.records() == before


async def test_a_form_comes_from_a_page_of_ours(desk: Desk) -> None:
    """One from another site or origin, or from nobody knows where, is refused with a good token."""
    session = desk.session(Role.OPERATOR)
    before = desk.records()
    for route in desk.routes:
        if route.startswith("POST "):
            for name, headers in ELSEWHERE.items():
                answer = await desk.ask(route, session, headers, csrf=csrf_of(session))
                assert answer.status_code == 403, (route, name, answer.status_code)
    assert desk.records() == before


async def test_what_changes_is_never_got(desk: Desk) -> None:
    """A GET or HEAD of what is posted finds nothing, and neither does anything else than a form."""
    session = desk.session(Role.OPERATOR)
    before = desk.records()
    posted = {route[5:] for route in desk.routes if route.startswith("POST ")}
    read = {route[4:] for route in desk.routes if route.startswith("GET ")}
    for path in posted - read:
        answers = [await desk.ask(f"{method} {path}", session) for method in ("GET", "HEAD")]
        # `/consents/reveal` and the like read as the name of a record that there is not.
        assert all(one.status_code in (404, 405, 422) for one in answers), path
    for path in posted | read:
        for method in ("PUT", "DELETE", "PATCH"):
            answer = await desk.ask(f"{method} {path}", session)
            assert answer.status_code in (403, 404, 405, 422), (method, path)
    assert desk.records() == before


async def test_a_cookie_of_before_is_never_the_signed_in_one(desk: Desk) -> None:
    """Signing in gives a new cookie, ends the session that it came with, and a planted text is
    nobody's."""
    planted = "planted-by-somebody"
    old = desk.session(Role.ABUSE)
    for before in (planted, old, ""):
        said = {"name": "spare-lead", "password": PASSWORD}
        answer = await desk.ask("POST /sign-in", before, **said)
        assert answer.status_code == 303
        given = answer.cookies["desk"]
        assert given not in (planted, old)
        settings = answer.headers["set-cookie"].lower()
        assert "httponly" in settings
        assert "samesite=strict" in settings
        if before:
            assert (await desk.ask("GET /cases/{name}", before)).status_code == 303
    half = desk.session(Role.LEAD, is_complete=False)
    with desk.world.database.transaction() as connection:
        digest = staff_sessions.digest_of(half)
        whole = staff_sessions.complete(connection, digest, desk.world.now)
    assert whole
    assert whole != half
    assert (await desk.ask("GET /cases/{name}", half)).status_code == 303
    assert (await desk.ask("GET /cases/{name}", whole)).status_code != 303


async def test_no_status_token_opens_the_desk(desk: Desk) -> None:
    """Neither as a cookie nor in the address."""
    world = desk.world
    with world.database.transaction() as connection:
        number = stream_number(connection, "acme")
    token = case_link("", Tokens(world.keyring), number).rpartition("/")[2]
    for route in MAY:
        answer = await desk.ask(route, token, csrf=csrf_of(token))
        assert answer.status_code in (303, 401), route
    found = await desk.ask(f"GET /{token}?token={token}")
    assert found.status_code == 303
