"""Suppressions by API: what is made, seen, lifted and revealed, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.message.address import parse_mailbox
from gateway.records.listing import SCANNED, Wanted, list_entries
from gateway.records.rights import restrict, unrestrict
from gateway.records.suppressions import Draft, add, entries_of, find
from suppression.precedence import Lifter
from suppression.standing import Reason

if TYPE_CHECKING:
    from conftest import House

JAN = "Jan.Kowalski+x@example.org"


def new(address: str = JAN, reason: str = "manual", scope: str = "example", **more: Any) -> Any:
    return {"address": address, "reason": reason, "scope": scope, **more}


async def made(client: httpx.AsyncClient, **entry: Any) -> int:
    """A new entry's number."""
    response = await client.post("/suppressions", json=new(**entry))
    assert response.status_code == 201, response.text
    return int(response.json()["id"])


async def test_an_entry_is_in_force_when_it_is_answered(
    house: House, tenant: httpx.AsyncClient
) -> None:
    """201 with its number; the same again adds nothing; the trail names the token."""
    number = await made(tenant, note="asked by telephone")
    with house.database.reading() as connection:
        (entry,) = find(connection, house.keyring, parse_mailbox(JAN))
    assert (entry.id, entry.setter, entry.address) == (number, "tenant", JAN)
    again = await tenant.post("/suppressions", json=new())
    assert again.json() == {"id": number, "outcome": "known", "detail": None}
    records = (await tenant.get("/audit")).json()["items"]
    assert [(record["actor"], record["action"]) for record in records] == [
        ("example:shop", "suppression.added")
    ]


async def test_a_tenant_sees_its_own_in_plain_and_staff_see_them_masked(
    tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """Staff learn an address only by giving a reason, which the trail keeps."""
    number = await made(tenant)
    assert (await tenant.get(f"/suppressions/{number}")).json()["address"] == JAN
    assert (await staff.get(f"/suppressions/{number}")).json()["address"] == "J***@example.org"
    path = f"/suppressions/{number}/reveal"
    assert (await tenant.post(path, json={"why": "curious"})).status_code == 403
    assert (await staff.post(path, json={"why": " "})).status_code == 422
    revealed = await staff.post(path, json={"why": "the owner called"})
    assert revealed.json() == {"id": number, "address": JAN}
    last = (await staff.get("/audit", params={"action": "address.revealed"})).json()["items"]
    assert [(r["actor"], r["detail"]["why"]) for r in last] == [("basia", "the owner called")]


@pytest.mark.parametrize("scope", ["*", "example", "example/weekly"])
async def test_nobody_elses_entry_exists_for_a_tenant(
    tenant: httpx.AsyncClient, other: httpx.AsyncClient, staff: httpx.AsyncClient, scope: str
) -> None:
    """Listed, searched, got, lifted: the same answers as for an entry that never was."""
    number = await made(staff, reason="manual", scope=scope)
    strangers = [other, tenant] if scope == "*" else [other]
    for client in strangers:
        assert (await client.get("/suppressions")).json() == {"items": [], "next": None}
        found = await client.post("/suppressions/search", json={"address": JAN})
        assert found.json() == {"items": []}
        seen = [
            (await client.get(f"/suppressions/{n}")).json()["detail"].replace(str(n), "N")
            for n in (number, 999)
        ]
        lifts = [
            await client.post(f"/suppressions/{n}/lift", json={"why": "w"}) for n in (number, 999)
        ]
        assert seen[0] == seen[1]
        assert [answer.status_code for answer in lifts] == [404, 404]
        assert (await client.get("/audit")).json()["items"] == []


async def test_what_may_not_be_disclosed_is_hidden_from_its_tenant(
    tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """Neither the entry nor its record in the trail shows."""
    number = await made(staff, disclosed=False)
    assert (await tenant.get(f"/suppressions/{number}")).status_code == 404
    assert (await tenant.get("/suppressions")).json()["items"] == []
    assert (await tenant.post("/suppressions/search", json={"address": JAN})).json()["items"] == []
    assert (await tenant.get("/audit")).json()["items"] == []
    assert (await staff.get(f"/suppressions/{number}")).json()["disclosed"] is False


async def test_a_tenant_does_not_see_people_under_restriction(
    house: House, tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """Not even what it set itself, until the restriction ends (GDPR article 18); staff do."""
    number = await made(tenant)
    jan = parse_mailbox(JAN)
    with house.database.transaction() as connection:
        restrict(connection, house.keyring, jan, "example", "test", house.now)
    assert (await tenant.get("/suppressions")).json()["items"] == []
    found = await tenant.post("/suppressions/search", json={"address": JAN})
    assert found.json()["items"] == []
    path = f"/suppressions/{number}"
    assert (await tenant.get(path)).status_code == 404
    assert (await tenant.post(f"{path}/lift", json={"why": "w"})).status_code == 404
    assert len((await staff.get("/suppressions")).json()["items"]) == 3
    with house.database.transaction() as connection:
        unrestrict(connection, house.keyring, jan, "example", "w", "test", house.now)
    assert [item["id"] for item in (await tenant.get("/suppressions")).json()["items"]] == [number]


async def test_of_the_operators_acts_a_tenant_learns_no_names_or_grounds(
    tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """An entry of the operator's in the tenant's scope shows masked, without note or person."""
    number = await made(staff, reason="complaint", note="report of wp.example")
    await staff.post(f"/suppressions/{number}/lift", json={"why": "mistaken by Ewa"})
    shown = (await tenant.get(f"/suppressions/{number}")).json()
    assert (shown["address"], shown["source"]) == ("J***@example.org", None)
    assert shown["lifted"]["by"] == "operator"
    assert shown["lifted"]["why"] is None
    text = (await tenant.get("/audit")).text
    assert "basia" not in text
    assert "Ewa" not in text
    assert "wp.example" not in text
    assert text.count("suppression.") == 2


@pytest.mark.parametrize(
    ("entry", "status", "says"),
    [
        ({"scope": "other"}, 422, "no such tenant or stream"),
        ({"scope": "nobody"}, 422, "no such tenant or stream"),
        ({"scope": "*"}, 422, "no such tenant or stream"),
        ({"reason": "erasure"}, 409, "operator"),
        ({"reason": "protected"}, 409, "operator"),
        ({"disclosed": False}, 409, "operator"),
        ({"reason": "complaint", "scope": "example/weekly"}, 409, "scope tenant"),
        ({"reason": "unsubscribe", "stops": "bulk"}, 409, "fixed"),
        ({"reason": "complaint", "address": "example.org"}, 409, "one address"),
        ({"ends": "2001-01-01T00:00:00Z"}, 409, "over already"),
        ({"ends": "2099-01-01T00:00:00"}, 422, "timezone"),
        ({"address": "no at sign"}, 422, "#/address"),
        ({"reason": "whim"}, 422, "#/reason"),
        ({"note": "a\nb"}, 422, "#/note"),
        ({"surprise": 1}, 422, "#/surprise"),
    ],
)
async def test_what_a_tenant_may_not_set_is_refused(
    house: House, tenant: httpx.AsyncClient, entry: dict[str, Any], status: int, says: str
) -> None:
    """Each with a sentence, or a pointer to the wrong place; nothing is stored."""
    response = await tenant.post("/suppressions", json=new(**entry))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.text
    with house.database.reading() as connection:
        assert entries_of(connection, house.keyring, range(1, 9)) == []


async def test_each_lifts_what_its_capacity_may(
    tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """A tenant lifts what it set by hand; staff what the table says; nobody twice."""
    own, opted_out = await made(tenant), await made(tenant, reason="unsubscribe")
    ground = {"json": {"why": "the list was wrong"}}
    assert (await tenant.post(f"/suppressions/{opted_out}/lift", **ground)).status_code == 409
    assert (await staff.post(f"/suppressions/{own}/lift", **ground)).status_code == 409
    lifted = await tenant.post(f"/suppressions/{own}/lift", **ground)
    assert lifted.json() == {"id": own, "state": "lifted"}
    assert (await tenant.post(f"/suppressions/{own}/lift", **ground)).status_code == 409
    shown = (await tenant.get(f"/suppressions/{own}")).json()
    assert shown["lifted"]["by"] == "example:shop"
    assert shown["lifted"]["why"] == "the list was wrong"


async def test_a_batch_takes_what_it_can(house: House, tenant: httpx.AsyncClient) -> None:
    """Results stand in the order sent; what is refused keeps nobody else, and tells no address."""
    batch = [new(f"p{n}@example.org") for n in range(230)]
    batch[7] = new("broken one@example.org")
    batch[150] = new(scope="other")
    batch[229] = new("p0@example.org")
    response = await tenant.post("/suppressions/batch", json={"entries": batch})
    results = response.json()["results"]
    assert response.status_code == 200
    assert len(results) == 230
    refused = [n for n, result in enumerate(results) if result["outcome"] == "refused"]
    assert refused == [7, 150]
    assert (results[229]["outcome"], results[229]["id"]) == ("known", results[0]["id"])
    assert "@" not in response.text.replace("***@", "")
    with house.database.reading() as connection:
        for n in (0, 100, 228):
            (entry,) = find(connection, house.keyring, parse_mailbox(f"p{n}@example.org"))
            assert entry.id == results[n]["id"]


@pytest.mark.parametrize("size", [0, 1001])
async def test_a_batch_has_a_size(tenant: httpx.AsyncClient, size: int) -> None:
    """Neither none nor more than a thousand."""
    response = await tenant.post("/suppressions/batch", json={"entries": [new()] * size})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/entries"


async def test_a_list_is_read_by_pages(
    tenant: httpx.AsyncClient, other: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """Every entry once, oldest first; a cursor is good for its list, filters and caller only."""
    numbers = [await made(tenant, address=f"p{n}@example.org") for n in range(5)]
    await made(tenant, reason="unsubscribe", scope="example/weekly")
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2, "scope": "example"} | ({"cursor": cursor} if cursor else {})
        page = (await tenant.get("/suppressions", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        last, cursor = cursor, page["next"]
        if cursor is None:
            break
    assert seen == numbers
    assert last is not None
    wrong: list[tuple[httpx.AsyncClient, dict[str, Any]]] = [
        (tenant, {"cursor": last}),
        (other, {"cursor": last, "scope": "example"}),
        (staff, {"cursor": last, "scope": "example"}),
        (tenant, {"cursor": last[:-1] + "A", "scope": "example"}),
        (tenant, {"cursor": last + "AAAA", "scope": "example"}),
        (tenant, {"cursor": "é", "scope": "example"}),
    ]
    for client, params in wrong:
        response = await client.get("/suppressions", params=params)
        assert response.status_code == 422
        assert response.json()["errors"] == [
            {"detail": "is not a cursor of this list", "parameter": "cursor"}
        ]


async def test_a_list_is_filtered(house: House, tenant: httpx.AsyncClient) -> None:
    """By scope, by reason, and by what became of an entry."""
    lifted = await made(tenant, address="a@example.org")
    await tenant.post(f"/suppressions/{lifted}/lift", json={"why": "w"})
    bounced = await made(tenant, reason="soft_bounce", address="b@example.org")
    house.now += 15 * 86_400
    left = await made(tenant, reason="unsubscribe", scope="example/weekly")

    async def listed(**params: str) -> list[int]:
        page = (await tenant.get("/suppressions", params=params)).json()
        return [item["id"] for item in page["items"]]

    assert await listed() == [lifted, bounced, left]
    assert await listed(state="lifted") == [lifted]
    assert await listed(state="over") == [bounced]
    assert await listed(state="in-force") == [left]
    assert await listed(scope="example/weekly") == [left]
    assert await listed(scope="example/offers") == []
    assert await listed(scope="example/orders") == []
    for unknown in ("other", "nobody", "*", "example/none"):
        response = await tenant.get("/suppressions", params={"scope": unknown})
        assert response.status_code == 422
    assert await listed(reason="soft_bounce") == [bounced]


def test_one_page_looks_through_a_bounded_part(house: House) -> None:
    """A page of a rare kind may be empty and still say where to go on."""
    with house.database.transaction() as connection:
        draft = Draft(Reason.MANUAL, "example", Lifter.TENANT, "test")
        add(connection, house.keyring, parse_mailbox(JAN), draft, house.now)
        connection.exec_driver_sql(
            f"INSERT INTO suppressions (id, key, scope, code, source, created_at) "
            f"SELECT {SCANNED + 5}, key, scope, code, source, created_at FROM suppressions"
        )
        wanted = Wanted("example")
        first = list_entries(connection, wanted, 0, 100, house.now)
        assert (first.numbers, first.next) == ([1], SCANNED)
        assert first.next is not None
        second = list_entries(connection, wanted, first.next, 100, house.now)
    assert (second.numbers, second.next) == ([SCANNED + 5], None)
