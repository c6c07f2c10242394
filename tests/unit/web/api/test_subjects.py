"""`/subjects`: requests with their clock, reports and acts, for staff only."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from gateway.message.address import parse_mailbox
from gateway.privacy.report import SubjectReport
from gateway.records.api_tokens import Permission
from gateway.records.suppressions import Draft, add, find
from gateway.records.tables import idempotency
from suppression.standing import Reason

from .conftest import NOW, House

CHECKED = {"identity": "ann, by a call back"}
JAN = "Jan@x.example"


def _suppress(house: House, reason: Reason = Reason.UNSUBSCRIBE, tenant: str = "example") -> None:
    with house.database.transaction() as connection:
        draft = Draft(reason, tenant, "operator", "letter")
        add(connection, house.keyring, parse_mailbox(JAN), draft, NOW)


async def test_a_request_runs_its_course(house: House) -> None:
    """Recorded, listed with its clock, extended, closed; and the address never in plain."""
    async with house.client(house.token()) as staff:
        new = {"kind": "access", "address": JAN, **CHECKED}
        made = await staff.post("/subjects/requests", json=new)
        assert made.status_code == 201, made.text
        number = made.json()["id"]
        assert made.json()["address"] == "J***@x.example"
        path = f"/subjects/requests/{number}"
        extended = await staff.post(f"{path}/extend", json={"why": "old tapes"})
        assert extended.json()["days_left"] > made.json()["days_left"]
        again = await staff.post(f"{path}/extend", json={"why": "more"})
        assert (again.status_code, again.json()["type"]) == (409, "/v1/problems/refused")
        await staff.post(f"{path}/close", json={"outcome": "sent by post"})
        assert (await staff.get("/subjects/requests")).json() == {"items": []}
        (done,) = (await staff.get("/subjects/requests?done=true")).json()["items"]
        missing = await staff.post("/subjects/requests/99/close", json={"outcome": "x"})
    assert (done["outcome"], done["days_left"]) == ("sent by post", None)
    assert missing.status_code == 404


async def test_a_report_is_what_the_command_gives(house: House) -> None:
    """Its JSON has the same form, and that it was asked is on record."""
    _suppress(house)
    async with house.client(house.token()) as staff:
        first = await staff.post("/subjects/report", json={"address": JAN})
        second = await staff.post("/subjects/report", json={"address": JAN})
        other = await staff.post("/subjects/report", json={"address": JAN, "tenant": "other"})
    report = SubjectReport.model_validate(first.json())
    assert [entry.reason for entry in report.suppressions] == ["unsubscribe"]
    assert "subject.reported" in {record["action"] for record in second.json()["audit"]}
    assert other.json()["suppressions"] == []


async def test_an_erasure_is_done_once_and_answered_again(house: House) -> None:
    """The same call after a lost answer gets the same, and its answer holds no address."""
    _suppress(house)
    body: dict[str, Any] = {"address": JAN, **CHECKED}
    async with house.client(house.token()) as staff:
        headers = {"Idempotency-Key": "one"}
        first = await staff.post("/subjects/erase", json=body, headers=headers)
        second = await staff.post("/subjects/erase", json=body, headers=headers)
    assert first.status_code == 200, first.text
    assert first.json() == second.json()
    assert (first.json()["tenants"], first.json()["texts_destroyed"]) == (["example"], 2)
    with house.database.reading() as connection:
        entries = find(connection, house.keyring, parse_mailbox(JAN))
        (answer,) = connection.execute(select(idempotency.c.response)).scalars()
    assert {entry.address for entry in entries} == {""}
    assert Reason.ERASURE in {entry.reason for entry in entries}
    assert "x.example" not in answer
    assert b"an@x.example" not in house.octets()


async def test_rectify_object_restrict(house: House) -> None:
    """Each says what it did, or that it changed nothing."""
    _suppress(house)
    there = {"address": "jan@y.example", "tenant": "example", **CHECKED}
    async with house.client(house.token()) as staff:
        body = {"address": JAN, "new_address": "jan@y.example", **CHECKED}
        moved = await staff.post("/subjects/rectify", json=body)
        objected = [await staff.post("/subjects/object", json=there) for _ in range(2)]
        restricted = [await staff.post("/subjects/restrict", json=there) for _ in range(2)]
        end = {"address": "jan@y.example", "tenant": "example", "why": "settled"}
        ended = [await staff.post("/subjects/unrestrict", json=end) for _ in range(2)]
    assert moved.json() == {"suppressions": 1, "consents": 0}
    assert [one.json()["is_new"] for one in objected] == [True, False]
    assert [one.json()["is_new"] for one in restricted] == [True, False]
    assert [one.status_code for one in ended] == [200, 409]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("erase", {}),
        ("rectify", {"new_address": "jan@y.example"}),
        ("object", {"tenant": "example"}),
        ("restrict", {"tenant": "example"}),
    ],
)
async def test_nothing_is_done_without_a_check_of_identity(
    house: House, path: str, more: dict[str, str]
) -> None:
    """Neither on nobody's word nor on another's request; a mistyped tenant is told."""
    _suppress(house)
    async with house.client(house.token()) as staff:
        body = {"address": JAN, **more}
        nobody = await staff.post(f"/subjects/{path}", json=body)
        unknown = await staff.post(f"/subjects/{path}", json={**body, "request": 7})
        typo = {**body, **CHECKED, "tenant": "exmaple"}
        mistyped = await staff.post(f"/subjects/{path}", json=typo)
    assert (nobody.status_code, unknown.status_code, mistyped.status_code) == (409, 404, 422)


async def test_a_tenant_s_token_does_nothing_here(house: House) -> None:
    """A person's requests concern the house; no tenant sees or answers them."""
    token = house.token("example", Permission.SUPPRESSIONS_READ)
    async with house.client(token) as tenant:
        for path in ("report", "erase"):
            answer = await tenant.post(f"/subjects/{path}", json={"address": JAN, **CHECKED})
            assert answer.status_code == 403
        assert (await tenant.get("/subjects/requests")).status_code == 403
