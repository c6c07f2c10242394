"""What the API says when it does not do what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.web.api.errors import CATALOGUE

if TYPE_CHECKING:
    from conftest import House

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "kind"),
    [
        (b'{"address": ', JSON, 400, "not-json"),
        (b"\xff\xfe", JSON, 400, "not-json"),
        (b"[" * 100_000, JSON, 400, "not-json"),
        (b"[1]", JSON, 422, "invalid"),
        (b"null", JSON, 422, "invalid"),
        (b"", {}, 422, "invalid"),
        (b'{"address": "a@example.org"}', {"Content-Type": "text/plain"}, 415, "media-type"),
        (b'{"address": "a@example.org"}', {}, 415, "media-type"),
        (b'{"address": "a@example.org"}', {"Content-Type": "APPLICATION/json; a=b"}, 200, ""),
        (b'{"address": "a\\ud800@example.org"}', JSON, 422, "invalid"),
        (b'{"address": "a\\u0000@example.org"}', JSON, 422, "invalid"),
    ],
)
async def test_a_bad_body_is_told_what_is_wrong_with_it(
    tenant: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    """Each as problem details with its kind, a status and a ref."""
    answer = await tenant.post("/suppressions/search", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    if not kind:
        return
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"/v1/problems/{kind}"
    assert body["status"] == status
    assert body["ref"]


async def test_every_wrong_place_is_pointed_at(tenant: httpx.AsyncClient) -> None:
    """JSON pointers into the body (RFC 6901), names of parameters and headers."""
    entry = {"address": "a@example.org", "reason": "whim", "scope": "A B", "x/y~z": 1}
    answer = await tenant.post("/suppressions/batch", json={"entries": [entry]})
    pointers = {flaw["pointer"] for flaw in answer.json()["errors"]}
    assert pointers == {
        "#/entries/0/reason",
        "#/entries/0/scope",
        "#/entries/0/x~1y~0z",
    }
    answer = await tenant.get("/suppressions", params={"limit": 0, "state": "?"})
    assert {flaw["parameter"] for flaw in answer.json()["errors"]} == {"limit", "state"}


@pytest.mark.parametrize(
    ("query", "flaws"),
    [
        ("scop=example", {"scop": "is no parameter of this call"}),
        ("=x", {"": "is no parameter of this call"}),
        ("state=over&state=lifted", {"state": "is given twice"}),
    ],
)
async def test_a_query_is_read_in_one_way_or_not_at_all(
    tenant: httpx.AsyncClient, query: str, flaws: dict[str, str]
) -> None:
    """A misspelt filter lists nothing, rather than everything; of two none is chosen."""
    answer = await tenant.get(f"/suppressions?{query}")
    assert answer.status_code == 422
    found = {flaw.get("parameter", ""): flaw["detail"] for flaw in answer.json()["errors"]}
    assert found == flaws


async def test_what_was_sent_is_not_repeated(tenant: httpx.AsyncClient) -> None:
    """An answer about a wrong field does not quote its neighbours."""
    entry = {"address": "zofia@example.org", "reason": "whim", "scope": "example"}
    assert "zofia" not in (await tenant.post("/suppressions", json=entry)).text


async def test_every_method_that_is_possible_is_named(tenant: httpx.AsyncClient) -> None:
    """405 with all of them, although each is a route of its own."""
    answer = await tenant.delete("/suppressions")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_records_that_cannot_serve_are_503(house: House, tenant: httpx.AsyncClient) -> None:
    """With Retry-After, and an event each that the operator can find."""
    house.database.close()
    house.database.path.rename(house.database.path.with_suffix(".gone"))
    for answer in (
        await tenant.get("/me"),
        await tenant.post("/suppressions", json={}),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "30"
        assert answer.json()["type"] == "/v1/problems/unavailable"
    assert {event.kind for event in house.events} == {"api.failed"}


async def test_a_fault_of_ours_tells_nothing(
    house: House, tenant: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 with a ref that an event has too; no trace, no words of the exception."""

    def broken(*_arguments: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("gateway.web.api.suppressions.find", broken)
    answer = await tenant.post("/suppressions/search", json={"address": "a@example.org"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    (event,) = house.events
    assert (event.kind, event.ref) == ("api.failed", answer.json()["ref"])
    assert event.detail["error"] == "RuntimeError"


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.name)
async def test_every_kind_is_explained_where_it_points(house: House, kind: object) -> None:
    """The type of a problem is the path of its explanation, open to everybody."""
    path = kind.path.removeprefix("/v1")  # type: ignore[attr-defined]
    async with house.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.json()["meaning"]
