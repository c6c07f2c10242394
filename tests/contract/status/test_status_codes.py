"""The code that is mailed to a tenant's contact, and the pass that it gives."""

from __future__ import annotations

import httpx
import pytest

from gateway.courier import Fate
from gateway.web.status import passes
from gateway.web.status.texts import STATUS
from policies.sanctions.words import FactKind
from suppression.keys import Generation, Keyring
from tests.contract.status.conftest import Page
from tests.contract.status.world import World, changes


async def test_a_code_goes_to_the_contact_and_opens_the_page(
    world: World, client: httpx.AsyncClient
) -> None:
    """In the contact's language; a wrong one does not open it, the right one does, once."""
    case = world.open()
    page = Page(client, world, world.link_of(case))
    assert STATUS["en"]["say_code_sent"] in (await page.send("code")).text
    ((recipient, octets),) = world.hops.mails
    assert recipient == "office@acme.test"
    assert b"Content-Language: pl" in octets
    assert case.id.encode() in octets
    wrong = await page.send("enter", code="1234")
    assert (wrong.status_code, page.link_pass) == (403, "")
    code = world.hops.code
    assert (await page.send("enter", code=code)).status_code == 200
    assert page.link_pass
    again = Page(client, world, page.path)
    assert (await again.send("enter", code=code)).status_code == 403
    assert not again.link_pass


@pytest.mark.parametrize(
    ("fate", "status"), [(Fate.LATER, 503), (Fate.REFUSED, 503), (Fate.UNKNOWN, 200)]
)
async def test_a_code_that_did_not_leave_is_not_said_to(
    world: World, client: httpx.AsyncClient, fate: Fate, status: int
) -> None:
    """When it is certain; then it opens nothing, and does not count towards the hour's."""
    page = Page(client, world, world.link_of(world.open()))
    world.hops.fate = fate
    for _ in range(7 if status == 503 else 1):
        answer = await page.send("code")
        assert answer.status_code == status
    opened = await page.send("enter", code=world.hops.code)
    assert opened.status_code == (403 if status == 503 else 200)


async def test_nobody_is_flooded_with_codes(world: World, client: httpx.AsyncClient) -> None:
    """The sixth in an hour is refused, on whatever page of the tenant it is asked for."""
    pages = [
        Page(client, world, world.link("acme")),
        Page(client, world, world.link_of(world.open())),
    ]
    answers = [(await pages[number % 2].send("code")).status_code for number in range(6)]
    assert answers == [200] * 5 + [429]
    assert len(world.hops.mails) == 5


async def test_a_pass_is_good_for_its_link_and_its_time(
    world: World, client: httpx.AsyncClient
) -> None:
    """Another tenant's, another case's, a forged, a changed and an old pass change nothing."""
    case, other, second = world.open(), world.open("beta"), world.open(kind=FactKind.EMERGENCY)
    page = Page(client, world, world.link_of(case))
    await page.sign_in()
    mine = page.link_pass
    good = passes.make(world.keyring, world.link_of(case).rpartition("/")[2], world.now)
    assert mine == good
    ends, _, tag = mine.partition(".")
    later = f"{int(ends, 16) + 10**6:x}.{tag}"
    forged = passes.make(Keyring([Generation.fresh(0)]), page.path.rpartition("/")[2], world.now)
    before = changes(world)
    for path, given in (
        (world.link_of(other), mine),
        (world.link_of(second), mine),
        (world.link("acme"), mine),
        (page.path, later),
        (page.path, forged),
        (page.path, mine[:-1]),
        (page.path, f"{ends}."),
        (page.path, "\u0661." + tag),
    ):
        tried = Page(client, world, path, given)
        answer = await tried.send("hand", requirement="protection-confirmed")
        assert answer.status_code == 403
        assert not tried.link_pass
    world.now += passes.SECONDS
    tried = Page(client, world, page.path, mine)
    assert (await tried.send("hand", requirement="protection-confirmed")).status_code == 403
    assert changes(world) == before
