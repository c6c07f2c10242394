"""The look-up suppressed a whole domain for all tenants at one press; lifting an entry and bringing
in a list did not say what they touch; and what could not be undone was said to be."""

from __future__ import annotations

from pathlib import Path

from gateway.records.suppressions import Draft, add_by_key
from gateway.web.desk.gate import csrf_of
from gateway.words import Role
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.desk.conftest import World, opened

TOUCHES = "What this touches"
UNDONE = "It can be undone for 60 seconds."


def _entries(world: World) -> int:
    with world.database.reading() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM suppressions").scalar_one()


async def test_the_look_up_asks_before_a_domain_or_all_tenants_are_stopped(
    tmp_path: Path,
) -> None:
    """It says what that touches, and does it once that was confirmed."""
    with opened(tmp_path) as world:
        client = world.as_(Role.ABUSE)
        for count, (what, scope) in enumerate([("far.test", "acme"), ("jan@far.test", "*")]):
            said = {"what": what, "scope": scope, "kind": "manual", "reason": "seen"}
            asked = await client.post("look-up/suppress", **said)
            assert TOUCHES in asked.text
            assert UNDONE in asked.text
            assert _entries(world) == count
            await client.post("look-up/suppress", confirmed="yes", **said)
            assert _entries(world) == count + 1


async def test_what_cannot_be_undone_is_not_said_to_be(tmp_path: Path) -> None:
    """An unsubscribe is not the operator's to lift again."""
    with opened(tmp_path) as world:
        said = {"what": "jan@far.test", "scope": "*", "kind": "unsubscribe", "stops": "everything"}
        asked = await world.as_(Role.ABUSE).post("lists/add", reason="seen", **said)
        assert TOUCHES in asked.text
        assert UNDONE not in asked.text


async def test_lifting_says_what_it_touches(tmp_path: Path) -> None:
    """The mail, domains and lists of those that the entry held for."""
    with opened(tmp_path) as world:
        draft = Draft(Reason.MANUAL, "acme", Lifter.OPERATOR, "desk", actor="abuse")
        with world.database.transaction() as connection:
            number, _ = add_by_key(connection, bytes(16), draft, world.now)
        asked = await world.as_(Role.ABUSE).post("lists/lift", entry=str(number))
        assert TOUCHES in asked.text
        assert "shop.acme.test" in asked.text


async def test_an_import_says_what_it_touches(tmp_path: Path) -> None:
    """Beside what would change, before it is brought in."""
    with opened(tmp_path) as world:
        client = world.as_(Role.ABUSE)
        fields = {"csrf": csrf_of(client.session), "kind": "manual", "stops": "everything"}
        asked = await client._ask(
            "POST",
            "lists/import",
            data={**fields, "scope": "acme"},
            files={"file": ("list.csv", b"address\nola@far.test\n")},
        )
        assert TOUCHES in asked.text
        assert "shop.acme.test" in asked.text
