"""Pre-checks by API: each line's verdict in order, for one's own streams, within limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import func, select

from gateway.config.pre_check import PreCheckSettings
from gateway.config.terms import tenant_terms
from gateway.message.address import parse_mailbox
from gateway.records.api_tokens import Permission
from gateway.records.standings import SqliteStandings
from gateway.records.streams import numbering
from gateway.records.suppressions import Draft, add
from gateway.records.tables import receipts
from gateway.web.api import pre_checks
from suppression.standing import Reason

if TYPE_CHECKING:
    from conftest import House

STREAM = "example/orders"
CSV = {"Content-Type": "text/csv"}


def asked(*addresses: str, stream: str = STREAM) -> dict[str, Any]:
    return {"json": {"stream": stream, "addresses": list(addresses)}}


def suppress(house: House, address: str, reason: Reason, scope: str, shown: bool = True) -> None:
    draft = Draft(reason, scope, "operator", "test", is_disclosable=shown)
    with house.database.transaction() as connection:
        add(connection, house.keyring, parse_mailbox(address), draft, house.now)


def tags(response: httpx.Response) -> list[str | None]:
    """The tag of each line, in order."""
    assert response.status_code == 201, response.text
    results = response.json()["results"]
    assert [r["verdict"] for r in results] == [
        "cleared" if r["tag"] is None else "refused" for r in results
    ]
    return [result["tag"] for result in results]


def allow(house: House, **limits: int) -> None:
    """Put limits of pre-checks in force."""
    loaded = house.parts.loaded
    config = loaded.config.model_copy(update={"pre_check": PreCheckSettings(**limits)})
    house.parts = replace(house.parts, loaded=replace(loaded, config=config))


async def cleared(house: House, *addresses: str) -> list[bool]:
    """Whether RCPT learns of each that a pre-check has cleared it."""
    loaded = house.parts.loaded
    terms = tenant_terms(loaded.config, loaded.tenants, numbering(house.database))["example"]
    standings = SqliteStandings(house.database.path, house.keyring, lambda: house.now)
    asked_about = [parse_mailbox(address) for address in addresses]
    found = await standings.look_up(terms.streams["orders"], asked_about)
    standings.close()
    return [standing.is_cleared for standing in found]


async def test_each_line_has_its_verdict_in_order(house: House, tenant: httpx.AsyncClient) -> None:
    """Free, complained, malformed, undisclosed ([POLICY]); the receipt can be looked up."""
    suppress(house, "b@example.org", Reason.COMPLAINT, "example")
    suppress(house, "d@example.org", Reason.COMPLAINT, "example", shown=False)
    lines = ("a@example.org", "b@example.org", "no address", "d@example.org", "e@-.org", "")
    answer = await tenant.post("/pre-checks", **asked(*lines))
    syntax = "RCPT-SYNTAX"
    assert tags(answer) == [None, "COMPLAINT", syntax, "POLICY", syntax, syntax]
    body = answer.json()
    assert (body["asked"], body["cleared"], body["complete"]) == (6, 1, True)
    assert body["refused"] == {"COMPLAINT": 1, syntax: 3, "POLICY": 1}
    assert (body["made_at"], body["valid_until"]) == (
        "2027-01-15T08:00:00Z",
        "2027-01-16T08:00:00Z",
    )
    shown = (await tenant.get(f"/pre-checks/{body['receipt']}")).json()
    assert shown == {name: body[name] for name in shown}
    assert len(shown) == 7
    assert tags(await tenant.post("/pre-checks", **asked("no address"))) == [syntax]


async def test_only_what_would_pass_is_cleared(house: House, tenant: httpx.AsyncClient) -> None:
    """Who was refused is not cleared, so an entry that is lifted later lets nobody slip through;
    one added between two checks takes back what the first has cleared."""
    suppress(house, "b@example.org", Reason.COMPLAINT, "example")
    both = ("a@example.org", "b@example.org")
    assert tags(await tenant.post("/pre-checks", **asked(*both))) == [None, "COMPLAINT"]
    assert await cleared(house, *both) == [True, False]
    suppress(house, "a@example.org", Reason.COMPLAINT, "example")
    await tenant.post("/pre-checks", **asked(*both))
    assert await cleared(house, *both) == [False, False]


async def test_what_others_did_never_shows(
    house: House, tenant: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    """Entries of another tenant change no verdict; its streams and receipts do not exist."""
    suppress(house, "jan@example.org", Reason.COMPLAINT, "other")
    suppress(house, "ewa@example.org", Reason.UNSUBSCRIBE, "other/mail")
    mine = await tenant.post("/pre-checks", **asked("jan@example.org", "ewa@example.org"))
    assert tags(mine) == [None, None]
    answers = [
        (await tenant.post("/pre-checks", **asked("a@example.org", stream=stream))).json()
        for stream in ("other/mail", "other/nope", "nobody/mail")
    ]
    assert {answer["errors"][0]["pointer"] for answer in answers} == {"#/stream"}
    assert {answer["errors"][0]["detail"].partition(":")[2] for answer in answers} == {
        " no such tenant or stream"
    }
    query = {"stream": "other/mail"}
    foreign = await tenant.post("/pre-checks", params=query, content=b"a@b.example", headers=CSV)
    assert foreign.json()["errors"][0]["parameter"] == "stream"
    unknown = "rcpt_" + "0" * 32
    for receipt in (mine.json()["receipt"], unknown):
        gone = await other.get(f"/pre-checks/{receipt}")
        assert gone.status_code == 404
        assert gone.json()["detail"] == f"there is no receipt {receipt}"


async def test_csv_is_read_line_by_line(house: House, tenant: httpx.AsyncClient) -> None:
    """Columns in any order, bad lines and whole domains refused, results by the file's lines."""
    suppress(house, "b@example.org", Reason.COMPLAINT, "example")
    text = b"\xef\xbb\xbfname;email\nA;a@example.org\n\nB;b@example.org\nC;example.org\n"
    answer = await tenant.post("/pre-checks", params={"stream": STREAM}, content=text, headers=CSV)
    assert tags(answer) == [None, "COMPLAINT", "RCPT-SYNTAX"]
    assert [result["line"] for result in answer.json()["results"]] == [2, 4, 5]


@pytest.mark.parametrize(
    ("query", "kind", "content", "status"),
    [
        ("", "text/csv", b"a@example.org", 422),
        (STREAM, "text/csv", b"\n\n", 422),
        (STREAM, "text/csv", b"", 422),
        (STREAM, "text/plain", b"a@example.org", 415),
        (STREAM, "text/csv", b"a@example.org\n" * 6, 413),
        (STREAM, "application/json", b'{"stream": "example/orders", "addresses": ["a@b.c"]}', 422),
        ("", "application/json", b'{"stream": "example/orders", "addresses": []}', 422),
        ("", "application/json", b'{"stream": "example/orders", "addresses": [1]}', 422),
        ("", "application/json", b'{"stream": "example", "addresses": ["a@b.c"]}', 422),
        ("", "application/json", b"a@example.org", 400),
    ],
)
async def test_what_is_no_list_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    house: House,
    tenant: httpx.AsyncClient,
    query: str,
    kind: str,
    content: bytes,
    status: int,
) -> None:
    """A stream missing, elsewhere or no stream, no address, too many, another type: no receipt."""
    monkeypatch.setattr(pre_checks, "MAX_ADDRESSES", 5)
    answer = await tenant.post(
        "/pre-checks",
        params={"stream": query} if query else {},
        content=content,
        headers={"Content-Type": kind},
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    with house.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(receipts)).scalar() == 0


async def test_a_list_in_json_has_at_most_100_000(tenant: httpx.AsyncClient) -> None:
    """One more is 422 and says where."""
    answer = await tenant.post("/pre-checks", **asked(*["a@b.c"] * 100_001))
    assert answer.status_code == 422
    assert [flaw["pointer"] for flaw in answer.json()["errors"]] == ["#/addresses"]


async def test_the_allowance_holds_for_tenants_only(
    house: House, tenant: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    """429 tells when there is room again; then it is taken. Staff are never refused."""
    allow(house, addresses_per_day=10, calls_per_hour=2)
    for _ in range(2):
        assert tags(await tenant.post("/pre-checks", **asked("a@example.org"))) == [None]
    over = await tenant.post("/pre-checks", **asked("a@example.org"))
    assert over.status_code == 429
    assert over.headers["retry-after"] == "3601"
    assert "2 lists an hour" in over.json()["detail"]
    assert tags(await staff.post("/pre-checks", **asked("a@example.org"))) == [None]
    house.now += 3601
    many = await tenant.post("/pre-checks", **asked(*["a@example.org"] * 8))
    assert (many.status_code, "10 addresses a day" in many.text) == (429, True)
    assert len(tags(await tenant.post("/pre-checks", **asked(*["a@example.org"] * 7)))) == 7


async def test_the_permission_is_asked_for(house: House) -> None:
    """A token without pre-checks:write neither checks nor sees receipts."""
    async with house.client(house.token("example", Permission.SUPPRESSIONS_READ)) as client:
        assert (await client.post("/pre-checks", **asked("a@example.org"))).status_code == 403
        assert (await client.get("/pre-checks/rcpt_" + "0" * 32)).status_code == 403


async def test_the_same_call_again_is_no_second_check(
    house: House, tenant: httpx.AsyncClient
) -> None:
    """The first answer comes again, though not for another stream; no address is stored."""
    suppress(house, "b@example.org", Reason.COMPLAINT, "example")
    call: dict[str, Any] = {
        "params": {"stream": STREAM},
        "content": b"zofia.unmistakable@example.org\nb@example.org\nzofia.unmistakable@-\n",
        "headers": CSV | {"Idempotency-Key": "k1"},
    }
    first = await tenant.post("/pre-checks", **call)
    suppress(house, "zofia.unmistakable@example.org", Reason.COMPLAINT, "example")
    again = await tenant.post("/pre-checks", **call)
    assert again.headers["idempotency-replayed"] == "true"
    assert tags(again) == tags(first) == [None, "COMPLAINT", "RCPT-SYNTAX"]
    assert again.json() == first.json()
    elsewhere = await tenant.post(
        "/pre-checks", **(call | {"params": {"stream": "example/weekly"}})
    )
    assert elsewhere.json()["type"] == "/v1/problems/key-reused"
    assert b"unmistakable" not in house.octets()
