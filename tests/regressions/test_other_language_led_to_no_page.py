"""The link to the other language on a page that a form led to was for GET, which there is not; and
two words of Today were English in Polish."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

from gateway.records import notices
from gateway.words import Role
from tests.contract.desk.conftest import opened

SENT: list[tuple[str, dict[str, str]]] = [
    ("look-up", {"what": "jan@far.test"}),
    ("look-up/suppress", {"what": "far.test", "kind": "manual", "scope": "*", "reason": "x"}),
    ("blocks", {"domain": "acme.test"}),
    ("blocks/9/lift", {}),
    ("new-case", {"tenant": "acme", "kind": "spam", "domain": "acme.test"}),
    ("cases/C-000009/decide", {"decision": "lift", "reason": "seen"}),
    ("subjects/9/erase", {}),
    ("reports/9", {"decision": "count", "reason": "seen"}),
    ("undo/9", {}),
    ("", {}),
    ("me/zone", {"zone": "nowhere"}),
    ("staff", {"name": "-"}),
]


async def test_what_forms_lead_to_names_a_page_in_the_other_language(tmp_path: Path) -> None:
    """The one that it was sent from, or the desk's first."""
    with opened(tmp_path) as world:
        client = world.as_(Role.OPERATOR)
        for path, fields in SENT:
            answer = await client.post(path, **fields)
            found = re.search(r'<a href="([^"]*)\?lang=pl"', answer.text)
            assert found, path
            leads = urljoin(f"http://localhost/desk/{path}", found[1] or f"/desk/{path}")
            there = await client.get(leads.removeprefix("http://localhost/desk/"), lang="pl")
            assert there.status_code == 200, path
            assert 'lang="pl"' in there.text


async def test_notices_that_reach_nobody_are_named_in_polish(tmp_path: Path) -> None:
    """What they are, and why they went nowhere."""
    with opened(tmp_path) as world:
        moved = world.open("acme")
        with world.database.transaction() as connection:
            (notice,) = notices.list_of(connection, moved.case.id)
            state = notices.NoticeState.UNADDRESSED.value
            connection.exec_driver_sql(
                "UPDATE notices SET state=? WHERE id=?", (state, notice.number)
            )
        page = (await world.as_(Role.ABUSE, "pl").get("")).text
    assert "klient nie podał kontaktu" in page
    assert "pierwsze zawiadomienie" in page
