"""Consent by API: asked for, supplied, shown and revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.message.address import parse_mailbox
from gateway.records.consents import find_consents

if TYPE_CHECKING:
    from conftest import House

NOW = 1_800_000_000
JAN = "jan.kowalski@example.org"
WISH = {
    "address": JAN,
    "scope": "example/weekly",
    "text": "I agree to get the weekly letter.",
    "language": "pl",
}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def evidence(house: House, **changes: Any) -> dict[str, Any]:
    acts = {
        "subscribed": {"at": at(house.now - 7200), "ip": "192.0.2.7"},
        "confirmed": {"at": at(house.now - 3600), "ip": "2001:db8::7"},
    }
    return {**WISH, "level": 3, "source": "https://shop.example/join", **acts, **changes}


async def test_a_request_is_followed_by_its_tracking_number(
    tenant: httpx.AsyncClient, other: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """202 with a number that shows the state to its tenant, masked to staff, to nobody else."""
    answer = await tenant.post("/consents/requests", json=WISH)
    assert answer.status_code == 202
    tracking = answer.json()["tracking"]
    assert answer.json() == {"tracking": tracking, "status": "requested"}
    shown = (await tenant.get(f"/consents/{tracking}")).json()
    assert (shown["address"], shown["text"], shown["level"]) == (JAN, WISH["text"], 4)
    assert (await staff.get(f"/consents/{tracking}")).json()["address"] == "j***@example.org"
    assert (await other.get(f"/consents/{tracking}")).status_code == 404
    missing = await tenant.get(f"/consents/{'0' * 32}")
    assert missing.status_code == 404


async def test_an_address_is_asked_once_in_a_while(tenant: httpx.AsyncClient) -> None:
    """A second request is 409 and says since when; the same Idempotency-Key gets the first."""
    key = {"Idempotency-Key": "k1"}
    first = await tenant.post("/consents/requests", json=WISH, headers=key)
    again = await tenant.post("/consents/requests", json=WISH, headers=key)
    assert again.json() == first.json()
    second = await tenant.post("/consents/requests", json=WISH)
    assert second.status_code == 409
    assert second.json()["tag"] == "OPTIN-LIMIT"
    assert second.json()["again_at"] == at(NOW + 7 * 86_400).replace("+00:00", "Z")
    assert second.json()["type"] == "/v1/problems/refused"


async def test_whoever_is_suppressed_is_not_asked(tenant: httpx.AsyncClient) -> None:
    """Nor does the answer say more than a reply to mail would."""
    entry = {"address": JAN, "reason": "objection", "scope": "example"}
    await tenant.post("/suppressions", json=entry)
    answer = await tenant.post("/consents/requests", json=WISH)
    assert answer.status_code == 409
    assert "[UNSUB]" in answer.json()["detail"]
    assert (answer.json()["tag"], answer.json()["again_at"]) == ("UNSUB", None)


async def test_a_list_that_does_not_ask_is_refused(tenant: httpx.AsyncClient) -> None:
    """409 names the setting that is missing."""
    answer = await tenant.post("/consents/requests", json=WISH | {"scope": "example/orders"})
    assert answer.status_code == 409
    assert "opt_in" in answer.json()["detail"]


async def test_evidence_counts_at_once_and_once(house: House, tenant: httpx.AsyncClient) -> None:
    """The consent is in force for the next RCPT; sent again it is known."""
    first = await tenant.post("/consents/evidence", json=evidence(house))
    assert (first.status_code, first.json()["outcome"]) == (201, "added")
    again = await tenant.post("/consents/evidence", json=evidence(house))
    assert again.json() == first.json() | {"outcome": "known"}
    with house.database.reading() as connection:
        (consent,) = find_consents(connection, house.keyring, parse_mailbox(JAN))
    assert (consent.level, consent.scope) == (3, "example/weekly")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"confirmed": None}, "#/confirmed/at"),
        ({"confirmed": {"at": "2001-01-01T00:00:00Z", "ip": "192.0.2.7"}}, "#/confirmed/at"),
        ({"subscribed": {"at": "2099-01-01T00:00:00Z", "ip": "192.0.2.7"}}, "#/subscribed/at"),
        ({"subscribed": {"at": "2026-01-01", "ip": "192.0.2.7"}}, "#/subscribed/at"),
        ({"subscribed": {"at": "2026-01-01T00:00:00Z", "ip": "127.0.0.1"}}, "#/subscribed/ip"),
        ({"subscribed": {"at": "2026-01-01T00:00:00Z", "ip": 7}}, "#/subscribed/ip"),
        ({"level": 4}, "#/level"),
        ({"level": 2}, "#/confirmed/at"),
        ({"text": " "}, "#/text"),
        ({"message_id": "none"}, "#/message_id"),
        ({"address": "example.org"}, "#/address"),
    ],
)
async def test_evidence_that_is_not_believed_is_pointed_at(
    house: House, tenant: httpx.AsyncClient, changes: dict[str, Any], pointer: str
) -> None:
    """422 with the place; nothing is recorded."""
    answer = await tenant.post("/consents/evidence", json=evidence(house, **changes))
    assert answer.status_code == 422
    assert [flaw["pointer"] for flaw in answer.json()["errors"]] == [pointer]
    assert (await tenant.post("/consents/search", json={"address": JAN})).json() == {"items": []}


async def test_a_consent_is_found_and_ended(
    house: House, tenant: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    """By its tenant only; ending it twice is one effect."""
    made = (await tenant.post("/consents/evidence", json=evidence(house))).json()
    path = f"/consents/{made['tracking']}/revoke"
    assert (await other.post("/consents/search", json={"address": JAN})).json() == {"items": []}
    assert (await other.post(path, json={"why": "w"})).status_code == 404
    for _ in range(2):
        ended = await tenant.post(path, json={"why": "the person rang up"})
        assert ended.json() == {"tracking": made["tracking"], "status": "revoked"}
    trail = (await tenant.get("/audit")).json()["items"]
    assert [record["action"] for record in trail[:2]] == ["consent.supplied", "consent.revoked"]
    assert {record["actor"] for record in trail[:2]} == {"example:shop"}
    (item,) = (await tenant.post("/consents/search", json={"address": JAN})).json()["items"]
    assert (item["tracking"], item["status"], item["ended"]) == (made["tracking"], "revoked", True)


@pytest.mark.parametrize(
    ("accept", "kind", "start"),
    [
        ("*/*", "application/json", b'{"consent":'),
        ("application/pdf", "application/pdf", b"%PDF-"),
        ("image/png, text/html;q=0.9", "text/html; charset=utf-8", b"<!doctype html>"),
    ],
)
async def test_evidence_is_shown_whole(
    house: House,
    tenant: httpx.AsyncClient,
    other: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    accept: str,
    kind: str,
    start: bytes,
) -> None:
    """JSON, HTML or PDF to its tenant; to staff for a reason that the trail keeps; else nobody."""
    tracking = (await tenant.post("/consents/evidence", json=evidence(house))).json()["tracking"]
    path, reveal = f"/consents/{tracking}/evidence", f"/consents/{tracking}/reveal"
    headers = {"Accept": accept}
    shown = await tenant.get(path, headers=headers)
    assert shown.headers["content-type"] == kind
    assert shown.content.startswith(start)
    assert (await staff.get(path)).status_code == 403
    assert (await other.get(path)).status_code == 404
    assert (await tenant.post(reveal, json={"why": "w"})).status_code == 403
    revealed = await staff.post(reveal, json={"why": "the authority asks"}, headers=headers)
    assert revealed.content.startswith(start)
    record = (await staff.get("/audit")).json()["items"][-1]
    assert (record["actor"], record["action"]) == ("basia", "address.revealed")
    assert record["detail"] == {"proof": tracking, "why": "the authority asks"}


async def test_the_sheet_has_what_was_supplied(house: House, tenant: httpx.AsyncClient) -> None:
    """Address, acts, text and a chain that holds; times also in a zone of the reader's."""
    tracking = (await tenant.post("/consents/evidence", json=evidence(house))).json()["tracking"]
    sheet = (await tenant.get(f"/consents/{tracking}/evidence")).json()
    assert (sheet["consent"]["address"], sheet["chain"]["flaw"]) == (JAN, None)
    assert sheet["steps"][0]["personal"]["confirmed_ip"] == "2001:db8::7"
    params = {"zone": "Europe/Warsaw", "language": "pl"}
    html = await tenant.get(
        f"/consents/{tracking}/evidence", params=params, headers={"Accept": "text/html"}
    )
    assert "CET" in html.text
    assert JAN in html.text
    params["zone"] = "Mars/Olympus"
    assert (await tenant.get(f"/consents/{tracking}/evidence", params=params)).status_code == 422


async def test_the_trail_tells_a_tenant_of_what_others_did_to_its_proofs(
    house: House, tenant: httpx.AsyncClient, other: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """That it happened and to which proof; not who of the operator's people did it, or why."""
    tracking = (await tenant.post("/consents/requests", json=WISH)).json()["tracking"]
    await staff.post(f"/consents/{tracking}/revoke", json={"why": "Ewa heard from him"})
    last = (await tenant.get("/audit", params={"action": "consent.revoked"})).json()["items"]
    assert [(record["actor"], record["detail"]) for record in last] == [
        ("operator", {"proof": tracking})
    ]
    assert "Ewa" not in (await tenant.get("/audit")).text
    assert (await other.get("/audit")).json()["items"] == []


async def test_consents_under_restriction_are_not_shown_to_the_tenant(
    house: House, tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """Neither by search nor by number nor as evidence, until it ends; revoking stays possible."""
    supplied = (await tenant.post("/consents/evidence", json=evidence(house))).json()["tracking"]
    person = {"address": JAN, "tenant": "example"}
    checked = {"identity": "seen the passport"}
    await staff.post("/subjects/restrict", json=person | checked)
    found = await tenant.post("/consents/search", json={"address": JAN})
    assert found.json() == {"items": []}
    for path in (f"/consents/{supplied}", f"/consents/{supplied}/evidence"):
        assert (await tenant.get(path)).status_code == 404
    assert (await staff.get(f"/consents/{supplied}")).status_code == 200
    await staff.post("/subjects/unrestrict", json=person | {"why": "settled"})
    assert (await tenant.get(f"/consents/{supplied}")).status_code == 200
    await staff.post("/subjects/restrict", json=person | checked)
    revoked = await tenant.post(f"/consents/{supplied}/revoke", json={"why": "asked to"})
    assert revoked.json()["status"] == "revoked"
