"""A call sent twice with one Idempotency-Key changes something once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.records import idempotency
from gateway.records.suppressions import entries_of
from suppression.keys import Generation, Keyring

if TYPE_CHECKING:
    from conftest import House

KEY = {"Idempotency-Key": "5c1f"}
ADDRESS = "zofia.unmistakable@example.org"
ENTRY = {"address": ADDRESS, "reason": "manual", "scope": "example"}


def count(house: House) -> int:
    with house.database.reading() as connection:
        return len(entries_of(connection, house.keyring, range(1, 50)))


async def lifted(tenant: httpx.AsyncClient) -> int:
    """The number of an entry that was lifted."""
    number = (await tenant.post("/suppressions", json=ENTRY, headers=KEY)).json()["id"]
    await tenant.post(f"/suppressions/{number}/lift", json={"why": "w"})
    return int(number)


async def test_the_same_call_again_gets_the_first_answer(
    house: House, tenant: httpx.AsyncClient
) -> None:
    """Even after the entry was lifted: nothing is made anew, and the answer says it is a replay."""
    number = await lifted(tenant)
    again = await tenant.post("/suppressions", json=ENTRY, headers=KEY)
    assert again.status_code == 201
    assert again.json() == {"id": number, "outcome": "added", "detail": None}
    assert again.headers["idempotency-replayed"] == "true"
    assert count(house) == 1
    without = await tenant.post("/suppressions", json=ENTRY)
    assert "idempotency-replayed" not in without.headers
    assert count(house) == 2


async def test_a_key_belongs_to_one_request(tenant: httpx.AsyncClient) -> None:
    """Another body or another path under the same key is 422 and changes nothing."""
    number = await lifted(tenant)
    other_body = await tenant.post("/suppressions", json=ENTRY | {"note": "n"}, headers=KEY)
    other_path = await tenant.post(f"/suppressions/{number}/lift", json=ENTRY, headers=KEY)
    assert other_body.status_code == 422
    assert other_body.json()["type"] == "/v1/problems/key-reused"
    assert other_path.status_code == 422


async def test_a_key_belongs_to_one_token(house: House, tenant: httpx.AsyncClient) -> None:
    """Another program may use the same text."""
    await tenant.post("/suppressions", json=ENTRY, headers=KEY)
    async with house.client(house.token("example")) as another:
        answer = await another.post("/suppressions", json=ENTRY, headers=KEY)
    assert answer.json()["outcome"] == "known"


async def test_a_key_is_forgotten_after_a_day(house: House, tenant: httpx.AsyncClient) -> None:
    """Then the same call is a new one."""
    await lifted(tenant)
    house.now += idempotency.KEPT_SECONDS
    again = await tenant.post("/suppressions", json=ENTRY, headers=KEY)
    assert "idempotency-replayed" not in again.headers
    assert count(house) == 2


async def test_a_refusal_is_not_kept(house: House, tenant: httpx.AsyncClient) -> None:
    """It changed nothing, so the same key may be tried again when the request is mended."""
    refused = await tenant.post("/suppressions", json=ENTRY | {"reason": "erasure"}, headers=KEY)
    assert refused.status_code == 409
    mended = await tenant.post("/suppressions", json=ENTRY, headers=KEY)
    assert mended.status_code == 201


async def test_a_second_call_while_the_first_is_under_way_is_told_to_wait(
    house: House, tenant: httpx.AsyncClient
) -> None:
    """One of two at once is done, the other gets 409 or the first one's answer; made once."""
    batch: Any = {"entries": [ENTRY | {"address": f"p{n}@example.org"} for n in range(150)]}
    answers = await asyncio.gather(
        *(tenant.post("/suppressions/batch", json=batch, headers=KEY) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    last = await tenant.post("/suppressions/batch", json=batch, headers=KEY)
    assert last.headers["idempotency-replayed"] == "true"
    (first,) = (answer for answer in answers if answer.status_code == 200)
    assert last.json() == first.json()


async def test_no_address_is_kept_with_an_answer(house: House, tenant: httpx.AsyncClient) -> None:
    """Neither in plain nor as a digest that could be guessed without the keyring."""
    entries = [ENTRY, ENTRY | {"scope": "other"}, ENTRY | {"address": f"no sign {ADDRESS}"}]
    await tenant.post("/suppressions/batch", json={"entries": entries}, headers=KEY)
    with house.database.reading() as connection:
        (row,) = connection.exec_driver_sql("SELECT request, response FROM idempotency").all()
    assert len(json.loads(row.response)["results"]) == 3
    assert ADDRESS.encode() not in house.octets()
    body = json.dumps({"entries": entries}).encode()
    mine = idempotency.marks(house.keyring, b"POST /v1/suppressions/batch\0" + body)
    stranger = idempotency.marks(Keyring([Generation.fresh(0)]), b"x")
    assert row.request not in stranger
    assert len(mine) == 1


async def test_a_key_outlives_a_new_generation_of_secrets() -> None:
    """A request marked before a rotation is recognised after it."""
    old = Generation.fresh(0)
    before = idempotency.marks(Keyring([old]), b"request")
    after = idempotency.marks(Keyring([Generation.fresh(1), old]), b"request")
    assert before[0] in after
    assert after[0] not in before


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
async def test_a_key_is_plain_text(tenant: httpx.AsyncClient, key: str) -> None:
    """Visible ASCII, 200 characters at most."""
    headers = {"Idempotency-Key": key}
    answer = await tenant.post("/suppressions", json=ENTRY, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"
