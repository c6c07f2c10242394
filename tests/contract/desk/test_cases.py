"""*Cases*: the list, and opening one by hand."""

from __future__ import annotations

import re
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.records.case_view import find_case, list_cases
from gateway.words import Role
from policies.sanctions.words import FactKind
from tests.contract.desk.casework import name

if TYPE_CHECKING:
    from conftest import World


async def test_the_list_filters_and_pages(world: World) -> None:
    """By tenant and state, the newest first, 50 on a page; a mark that is none is 400."""
    made = [world.open("delta", FactKind.LEGAL_REQUEST).case.id for _ in range(52)]
    client = world.as_(Role.AUDITOR)
    asked = {"tenant": "delta", "phase": "undecided"}
    page = (await client.get("cases", **asked)).text
    shown = [int(one) for one in re.findall(r"cases/C-(\d{6})", page)]
    assert shown == made[:1:-1]
    (more,) = re.findall(r'href="\./cases\?([^"]+after[^"]+)"', page)
    page = (await client.get("cases", **dict(p.split("=") for p in unescape(more).split("&")))).text
    assert [int(one) for one in re.findall(r"cases/C-(\d{6})", page)] == made[1::-1]
    assert "C-0" not in (await client.get("cases", tenant="nobody")).text
    assert (await client.get("cases", after="x")).status_code == HTTPStatus.BAD_REQUEST


async def test_a_case_is_opened_by_hand(world: World) -> None:
    """Only for what the tenant's contract knows and no machine sees; asked twice; what is wrong is
    said, and nothing is opened."""
    client = world.as_(Role.ABUSE)
    page = (await client.get("new-case", tenant="acme")).text
    offered = re.findall(r'<option value="([a-z-]+)">', page)
    assert set(offered) == {"spam", "emergency", "legal-request"}
    before = world.open("acme").case
    good = {"tenant": "acme", "kind": "spam", "domain": ["acme.test", "shop.acme.test"]}
    good |= {"stream": "offers", "reason": "a call", "until": "2027-03-01T10:00"}
    for wrong in (
        {"tenant": "nobody"}, {"kind": "complaint"}, {"kind": "x"}, {"domain": "beta.test"},
        {"domain": []}, {"until": "soon"},
    ):  # fmt: skip
        answer = await client.post("new-case", confirmed="yes", **good | wrong)
        assert answer.status_code == HTTPStatus.BAD_REQUEST, wrong
    unknown = await client.post("new-case", confirmed="yes", **good | {"kind": "copyright"})
    assert unknown.status_code == HTTPStatus.CONFLICT
    asked = await client.post("new-case", **good)
    assert 'name="domain" value="acme.test,shop.acme.test"' in asked.text
    with world.database.reading() as connection:
        assert list_cases(connection, limit=1).cases[0].number == before.id
    sure = good | {"domain": "acme.test,shop.acme.test", "confirmed": "yes"}
    opened = await client.post("new-case", **sure)
    assert opened.status_code == HTTPStatus.SEE_OTHER
    number = int(opened.headers["location"].rpartition("-")[2])
    with world.database.reading() as connection:
        found = find_case(connection, number)
    assert found is not None
    assert found.case.blocked
    assert found.case.domains == ("acme.test", "shop.acme.test")
    assert found.case.until == 1_803_891_600.0
    page = (await client.get(f"cases/{name(found.case)}")).text
    assert "a call" in page
    assert "Case opened (Dismiss: no violation)" in page
