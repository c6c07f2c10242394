"""An Origin that is no address got a 500 without headers, as did a number that no row can have; a
number that is none, an answer in JSON that repeated it."""

from __future__ import annotations

from pathlib import Path

from gateway.words import Role
from tests.contract.desk.conftest import opened

TOO_LARGE = 2**63


async def test_what_is_no_number_or_no_address_is_answered_by_a_page(tmp_path: Path) -> None:
    """There is nothing there, or the form is not ours: the page says so, and nothing has failed."""
    with opened(tmp_path) as world:
        client = world.as_(Role.OPERATOR)
        for number in (TOO_LARGE, "x", -TOO_LARGE - 1):
            for path in ("undo/{}", "subjects/{}/close", "subjects/{}/erase", "blocks/{}/lift"):
                answer = await client.post(path.format(number), reason="seen")
                assert answer.status_code == 404, path
                assert answer.headers["content-type"].startswith("text/html")
            for path in ("subjects/{}", "reports/{}", "cases/C-1/evidence/{}"):
                assert (await client.get(path.format(number))).status_code == 404, path
        assert (await client.get("blocks", before=str(TOO_LARGE))).status_code == 200
        assert (await client.get("lists", before=str(TOO_LARGE))).status_code == 400
        assert world.events == []


async def test_an_origin_that_is_no_address_is_none_of_ours(tmp_path: Path) -> None:
    """It is refused as another site's is."""
    with opened(tmp_path) as world:
        client = world.as_(Role.OPERATOR)
        for origin in ("http://[", "http://[::1"):
            answer = await client._ask("POST", "me/zone", headers={"Origin": origin})
            assert answer.status_code == 403
            assert "content-security-policy" in answer.headers
