"""Who gets in, how often, and with how large a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.records.api_tokens import Permission, find, issue, revoke
from gateway.web.api.gate import MAX_BODY
from gateway.web.app import SECURE_HEADERS

if TYPE_CHECKING:
    from conftest import House


def answer_of(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """All that can be told apart."""
    return response.status_code, response.content, dict(response.headers)


async def test_whatever_is_no_token_in_force_gets_one_answer(house: House) -> None:
    """Unknown, mistyped, revoked and ended tokens cannot be told apart, nor paths that are not."""
    house.limit(refused_tokens_per_minute=1000)
    good, revoked = house.token("example"), house.token("example")
    with house.database.transaction() as connection:
        token = find(connection, revoked, house.now)
        assert token is not None
        revoke(connection, token.id, "test", house.now)
        ended, _ = issue(
            connection, "old", "example", [Permission.AUDIT_READ], house.now + 5, "t", house.now
        )
        gone, _ = issue(connection, "x", "no-tenant", [Permission.AUDIT_READ], None, "t", house.now)
    house.now += 10
    wrong = [good.upper(), good + " x", good[:-1], "cs_" + "a" * 52, revoked, ended, gone, "", "é"]
    answers = []
    async with house.client() as client:
        for text in wrong:
            headers = {"Authorization": f"Bearer {text}".encode()}
            answers.append(answer_of(await client.get("/me", headers=headers)))
            answers.append(answer_of(await client.post("/nothing", headers=headers, content="{")))
    assert answers[0][0] == 401
    assert answers[0][2]["www-authenticate"] == 'Bearer realm="consentry", error="invalid_token"'
    assert answers[0][2]["content-type"] == "application/problem+json"
    assert all(answer == answers[0] for answer in answers)
    async with house.client(good) as client:
        assert (await client.get("/me")).status_code == 200


async def test_a_call_without_a_token_is_told_the_scheme(house: House) -> None:
    """RFC 6750 section 3.1: no error code when no token was sent."""
    async with house.client() as client:
        response = await client.get("/suppressions")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="consentry"'
    assert SECURE_HEADERS.items() >= {
        (name, SECURE_HEADERS[name]) for name in ("Cache-Control", "X-Frame-Options")
    }
    for name, value in SECURE_HEADERS.items():
        assert response.headers[name] == value


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_has_no_case(house: House, scheme: str) -> None:
    """RFC 9110 section 11.1."""
    async with house.client() as client:
        headers = {"Authorization": f"{scheme} {house.token('example')}"}
        assert (await client.get("/me", headers=headers)).status_code == 200


async def test_a_token_does_what_it_allows_and_no_more(house: House) -> None:
    """403 names the permission that is missing, in the words of RFC 6750."""
    token = house.token("example", Permission.CONSENTS_READ)
    async with house.client(token) as client:
        response = await client.get("/suppressions")
    assert response.status_code == 403
    assert response.headers["www-authenticate"].endswith(
        'error="insufficient_scope", scope="suppressions:read"'
    )
    assert response.json()["type"] == "/v1/problems/permission"


async def test_a_token_has_so_many_calls_a_minute(house: House, tenant: httpx.AsyncClient) -> None:
    """What is left is told; over it 429 with Retry-After, for this token only."""
    house.limit(requests_per_minute=2)
    first = await tenant.get("/me")
    assert first.headers["ratelimit-policy"] == '"minute";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"minute";r=1;t=')
    assert (await tenant.get("/nothing")).status_code == 404
    over = await tenant.get("/me")
    assert over.status_code == 429
    assert over.json()["type"] == "/v1/problems/rate"
    assert 1 <= int(over.headers["retry-after"]) <= 60
    assert over.headers["ratelimit"].startswith('"minute";r=0;')
    async with house.client(house.token("example")) as another:
        assert (await another.get("/me")).status_code == 200


async def test_guessing_is_slowed_and_holds_nobody_else_up(
    house: House, tenant: httpx.AsyncClient
) -> None:
    """After so many calls without a valid token an address gets 429; a valid token still works."""
    house.limit(refused_tokens_per_minute=2)
    async with house.client("cs_" + "a" * 52) as guesser:
        codes = [(await guesser.get("/me")).status_code for _ in range(4)]
    assert codes == [401, 401, 429, 429]
    assert (await tenant.get("/me")).status_code == 200


async def test_a_body_over_the_limit_is_not_taken(tenant: httpx.AsyncClient) -> None:
    """413 after the limit, whatever the length field says."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65_536 + 1):
            yield b" " * 65_536

    response = await tenant.post("/suppressions/search", content=chunks())
    assert response.status_code == 413
    assert response.json()["type"] == "/v1/problems/too-large"


async def test_a_body_that_does_not_come_is_given_up(
    tenant: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """408, and the connection is closed."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr("gateway.web.api.gate.BODY_SECONDS", 0.01)
    response = await tenant.post("/suppressions/search", content=nothing())
    assert response.status_code == 408
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/openapi.json", "/problems/rate"])
async def test_what_tells_nothing_of_anybody_needs_no_token(house: House, path: str) -> None:
    """The document and the explanations of problems are open."""
    async with house.client() as client:
        assert (await client.get(path)).status_code == 200
