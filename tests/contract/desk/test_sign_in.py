"""Signing in at the desk: passwords, second factors, sessions, and what the gate refuses.

Each test signs in people of its own, so that what one of them does wrong locks out no other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pyotp
import pytest
from argon2 import PasswordHasher

from gateway.config.desk import DeskSettings, Totp
from gateway.records import staff, staff_sessions
from gateway.records.database import Connection
from gateway.web.app import Mounts, SecureHeaders
from gateway.web.desk import passwords
from gateway.web.desk.app import desk_app
from gateway.web.desk.screens import SCREENS
from gateway.words import Role

if TYPE_CHECKING:
    from conftest import World

PASSWORD = "correct horse"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
HERE = {"Sec-Fetch-Site": "same-origin"}
LINK = "https://gateway.test"


class Cheap(PasswordHasher):
    """Costs little, and counts what it has verified."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified += 1
        return super().verify(hash, password)


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> Cheap:
    """The hash that unknown names are checked against costs as little as those of the tests."""
    cheap = Cheap()
    monkeypatch.setattr(passwords, "PasswordHasher", lambda: cheap)
    return cheap


class Visitors:
    """Browsers of one desk; `totp` says what its configuration does."""

    def __init__(self, world: World, *, totp: Totp = Totp.OFFERED, is_https: bool = False) -> None:
        loaded = world.loaded
        link = LINK if is_https else "http://127.0.0.1"
        web = loaded.config.web.model_copy(update={"base_url": link})
        config = loaded.config.model_copy(update={"desk": DeskSettings(totp=totp), "web": web})
        self.parts = replace(world.parts, loaded=replace(loaded, config=config))
        self.base = link
        desk = desk_app(lambda: self.parts)

        async def nothing(*_: Any) -> None:
            raise AssertionError("not below the desk")

        self.app = SecureHeaders(Mounts(nothing, {"/desk": desk}), lambda: self.parts)  # type: ignore[arg-type]

    @asynccontextmanager
    async def browser(self, address: str = "192.0.2.1") -> AsyncIterator[httpx.AsyncClient]:
        """One that keeps cookies."""
        transport = httpx.ASGITransport(self.app, client=(address, 5), raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=f"{self.base}/desk", headers=HERE
        ) as browser:
            yield browser


def somebody(world: World, name: str, role: Role = Role.ABUSE) -> str:
    """A new member of staff with PASSWORD; their name."""
    with world.database.transaction() as connection:
        staff.add(connection, name, role, "Europe/Warsaw", HASH, None, "test", world.now)
    return name


async def sign_in(
    browser: httpx.AsyncClient, name: str, password: str = PASSWORD, **more: str
) -> httpx.Response:
    """The answer to name and password."""
    return await browser.post("/sign-in", data={"name": name, "password": password, **more})


def csrf(page: httpx.Response) -> str:
    """The token in a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found[1]


@pytest.fixture
def clock(world: World) -> Iterator[World]:
    """The world, whose clock a test may move; it goes back afterwards."""
    before = world.now
    yield world
    world.now = before


async def test_a_password_begins_a_session(clock: World) -> None:
    """Its text is nowhere in the records, its cookie is for the desk's own pages only, and what was
    asked for before comes next."""
    name = somebody(clock, "ann")
    async with Visitors(clock, is_https=True).browser() as browser:
        asked = await browser.get("/blocks?tenant=acme")
        assert (asked.status_code, asked.headers["location"]) == (
            303, "./sign-in?next=blocks%3Ftenant%3Dacme",
        )  # fmt: skip
        answer = await sign_in(browser, name, next="blocks?tenant=acme")
        assert (answer.status_code, answer.headers["location"]) == (303, "./blocks?tenant=acme")
        said = answer.headers["set-cookie"]
        for part in ("__Host-desk=", "Secure", "HttpOnly", "SameSite=strict", "Path=/"):
            assert part in said
        assert "Domain" not in said
        assert (await browser.get("/blocks")).status_code == 200
        text = browser.cookies["__Host-desk"]
    with clock.database.reading() as connection:
        session = staff_sessions.find(connection, text, clock.now)
        rows = connection.exec_driver_sql("SELECT * FROM staff_sessions").all()
    assert session is not None
    assert text not in str(rows)
    assert text.encode() not in b"".join(row.digest for row in rows)


@pytest.mark.parametrize(
    "after", ["//evil.test", "https://evil.test", "/\\evil.test", "../u/x", "javascript:alert(1)"]
)
async def test_sign_in_leads_nowhere_else(clock: World, after: str) -> None:
    """What stands in `next` and is no page of the desk is the first page."""
    name = somebody(clock, f"next{abs(hash(after)) % 10**9}")
    async with Visitors(clock).browser() as browser:
        assert (await sign_in(browser, name, next=after)).headers["location"] == "./"


async def test_a_wrong_name_is_answered_as_a_wrong_password(clock: World, hasher: Cheap) -> None:
    """By the same page after the same work: nobody learns who works here, nor does a disabled
    member of staff learn that they do."""
    name = somebody(clock, "bea")
    gone = somebody(clock, "gone")
    with clock.database.transaction() as connection:
        staff.disable(connection, gone, "test", clock.now)
    pages = set()
    async with Visitors(clock).browser() as browser:
        for who, password in ((name, "wrong"), ("nobody", PASSWORD), (gone, PASSWORD), (name, "")):
            answer = await sign_in(browser, who, password)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
            pages.add(answer.text)
    assert len(pages) == 1
    assert hasher.verified == 4


async def test_guessing_is_slowed_down(clock: World) -> None:
    """After twenty failures of a name from anywhere, or from a network for any name, not even the
    right password is looked at for ten minutes."""
    name, other = somebody(clock, "cleo"), somebody(clock, "carl")
    visitors = Visitors(clock)
    for place in range(passwords.FAILURES):
        async with visitors.browser(f"198.51.100.{place}") as browser:
            assert (await sign_in(browser, name, "guess")).status_code == 403
    async with visitors.browser("198.51.100.77") as browser:
        assert (await sign_in(browser, name)).status_code == 429
        assert (await sign_in(browser, other)).status_code == 303
    async with visitors.browser("203.0.113.9") as browser:
        for number in range(passwords.FAILURES):
            assert (await sign_in(browser, f"guess{number}")).status_code == 403
        assert (await sign_in(browser, other)).status_code == 429
    clock.now += passwords.WINDOW
    async with visitors.browser("203.0.113.9") as browser:
        assert (await sign_in(browser, name)).status_code == 303


async def test_a_session_is_new_at_sign_in_and_after_the_code(clock: World) -> None:
    """A cookie that somebody planted, or saw before the second factor, is worth nothing."""
    name = somebody(clock, "dora")
    async with Visitors(clock, totp=Totp.REQUIRED).browser() as browser:
        browser.cookies.set("desk", "A" * 43, domain="127.0.0.1")
        answer = await sign_in(browser, name)
        assert answer.headers["location"] == "./second-factor"
        half = browser.cookies["desk"]
        assert half != "A" * 43
        for screen in SCREENS:
            page = await browser.get(f"/{screen.path}")
            assert page.headers["location"].endswith("second-factor")
        page = await browser.get("/second-factor")
        assert "<svg" in page.text
        secret = re.search(r"secret=([A-Z2-7]+)", page.text)
        assert secret
        code = pyotp.TOTP(secret[1]).at(int(clock.now))
        answer = await browser.post("/second-factor", data={"csrf": csrf(page), "code": code})
        assert answer.headers["location"] == "./"
        full = browser.cookies["desk"]
        assert full != half
        assert (await browser.get("/blocks")).status_code == 200
        # Signing in again ends the session that the browser had.
        await sign_in(browser, name)
    with clock.database.reading() as connection:
        for text in (half, full):
            assert staff_sessions.find(connection, text, clock.now) is None


async def test_a_code_counts_once(clock: World) -> None:
    """Each step is used up, an older one too; after five wrong ones not even the right is looked
    at for ten minutes; and an enrolled secret is never shown again."""
    name = somebody(clock, "eva")
    secret = pyotp.random_base32()
    with clock.database.transaction() as connection:
        staff.begin_totp(connection, clock.keyring, name, secret)
        assert staff.use_totp_step(connection, name, int(clock.now) // 30 - 5, clock.now)
    totp = pyotp.TOTP(secret)

    async def show(browser: httpx.AsyncClient, code: str) -> int:
        await sign_in(browser, name)
        page = await browser.get("/second-factor")
        assert secret not in page.text
        assert "<svg" not in page.text
        sent = {"csrf": csrf(page), "code": code}
        return (await browser.post("/second-factor", data=sent)).status_code

    async with Visitors(clock).browser() as browser:
        now = int(clock.now)
        assert await show(browser, totp.at(now)) == 303
        assert await show(browser, totp.at(now)) == 403
        assert await show(browser, totp.at(now - 30)) == 403
        assert await show(browser, totp.at(now + 90)) == 403
        assert await show(browser, totp.at(now + 30)) == 303
        clock.now += 60
        assert await show(browser, "12 34") == 403
        assert await show(browser, "") == 403
        assert await show(browser, totp.at(int(clock.now) + 30)) == 429


async def test_sessions_end(clock: World) -> None:
    """After half an hour without a request, after twelve hours in any case, at sign-out, when the
    member is disabled or gets another role or password."""
    name = somebody(clock, "fay")
    async with Visitors(clock).browser() as browser:

        async def is_in() -> bool:
            return (await browser.get("/blocks")).status_code == 200

        await sign_in(browser, name)
        for _ in range(3):
            clock.now += 29 * 60
            assert await is_in()
        clock.now += 31 * 60
        assert not await is_in()
        await sign_in(browser, name)
        for _ in range(24):
            clock.now += 29 * 60
            assert await is_in()
        clock.now += 25 * 60
        assert not await is_in()

        await sign_in(browser, name)
        page = await browser.get("/blocks")
        kept = browser.cookies["desk"]
        await browser.post("/sign-out", data={"csrf": csrf(page)})
        browser.cookies.set("desk", kept, domain="127.0.0.1")
        assert not await is_in()

        def disable(connection: Connection) -> None:
            staff.disable(connection, name, "test", clock.now)
            staff.enable(connection, name, "test", clock.now)

        def promote(connection: Connection) -> None:
            staff.set_role(connection, name, Role.LEAD, "test", clock.now)

        def change(connection: Connection) -> None:
            staff.set_password(connection, name, HASH, "test", clock.now)

        for act in (disable, promote, change):
            browser.cookies.clear()
            await sign_in(browser, name)
            assert await is_in()
            with clock.database.transaction() as connection:
                act(connection)
            assert not await is_in()


async def test_a_password_is_changed_with_the_old_one(clock: World) -> None:
    """Every other session ends, this one goes on under a new text; an unfit one is refused."""
    name = somebody(clock, "gina")
    visitors = Visitors(clock)
    async with visitors.browser() as here, visitors.browser() as there:
        await sign_in(here, name)
        await sign_in(there, name)
        old = here.cookies["desk"]
        token = csrf(await here.get("/me"))
        sent = {"csrf": token, "password": "wrong", "new": "another long one"}
        assert (await here.post("/me/password", data=sent)).status_code == 403
        sent |= {"password": PASSWORD, "new": "short"}
        assert (await here.post("/me/password", data=sent)).status_code == 400
        sent |= {"new": "another long one"}
        assert (await here.post("/me/password", data=sent)).status_code == 303
        assert here.cookies["desk"] != old
        assert (await here.get("/blocks")).status_code == 200
        assert (await there.get("/blocks")).status_code == 303
        assert (await sign_in(there, name)).status_code == 403
        assert (await sign_in(there, name, "another long one")).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"},
    ],
    ids=["elsewhere", "neighbour", "typed", "hidden", "contradiction"],
)
async def test_a_form_from_elsewhere_is_refused(clock: World, headers: dict[str, str]) -> None:
    """Even with the right token: sign-in, sign-out, a change."""
    name = somebody(clock, f"hal{abs(hash(str(headers))) % 10**9}")
    async with Visitors(clock).browser() as browser:
        browser_headers = dict(headers)
        answer = await browser.post(
            "/sign-in", data={"name": name, "password": PASSWORD}, headers=browser_headers
        )
        assert answer.status_code == 403
        await sign_in(browser, name)
        token = csrf(await browser.get("/me"))
        sent = {"csrf": token, "zone": "Europe/Paris"}
        answer = await browser.post("/me/zone", data=sent, headers=browser_headers)
        assert answer.status_code == 403
        assert "Europe/Warsaw" in (await browser.get("/me")).text
        assert (await browser.post("/me/zone", data=sent)).status_code == 303
        assert "Europe/Paris" in (await browser.get("/me")).text


async def test_a_form_without_the_sessions_token_is_refused(clock: World) -> None:
    """None, another session's, or one that was cut; nothing changes."""
    one, two = somebody(clock, "ida"), somebody(clock, "ines")
    visitors = Visitors(clock)
    async with visitors.browser() as browser, visitors.browser() as other:
        await sign_in(browser, one)
        await sign_in(other, two)
        theirs = csrf(await other.get("/me"))
        own = csrf(await browser.get("/me"))
        for token in ("", theirs, own[:-1], own + "A", "ż"):
            sent = {"csrf": token, "zone": "Europe/Paris"}
            assert (await browser.post("/me/zone", data=sent)).status_code == 403
        assert "Europe/Warsaw" in (await browser.get("/me")).text


async def test_a_link_from_elsewhere_leads_on(clock: World) -> None:
    """The browser keeps the cookie back then, so that the first answer is a page of ours that
    loads the same once more, and no sign-in."""
    name = somebody(clock, "kim")
    async with Visitors(clock).browser() as browser:
        cross = {"Sec-Fetch-Site": "cross-site"}
        answer = await browser.get("/blocks", headers=cross)
        assert answer.status_code == 200
        assert '<meta http-equiv="refresh" content="0">' in answer.text
        await sign_in(browser, name)
        answer = await browser.get("/blocks", headers=cross)
        assert "<h1>Blocks</h1>" in answer.text


async def test_pages_carry_the_desks_policy(clock: World) -> None:
    """Scripts and connections only from here, and nothing inline; no address leaks to others, and
    nothing is kept by a cache."""
    async with Visitors(clock, is_https=True).browser() as browser:
        for path in ("/sign-in", "/static/desk.js"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "script-src 'self'; style-src 'self'" in policy
            assert "unsafe" not in policy
            assert headers["referrer-policy"] == "same-origin"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["strict-transport-security"]
        page = await browser.get("/sign-in")
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*src=)|\son[a-z]+=|style=", page.text)
        assert '"allowEval":false' in page.text


async def test_a_body_that_is_too_large_is_refused(clock: World) -> None:
    """By its length, and by its octets when it says none."""
    name = somebody(clock, "lea")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"a" * 65_536

    async with Visitors(clock).browser() as browser:
        await sign_in(browser, name)
        answer = await browser.post("/me/zone", data={"zone": "a" * 2**21})
        assert answer.status_code == 413
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await browser.post("/me/zone", content=endless(), headers=kind)
        assert answer.status_code == 413
