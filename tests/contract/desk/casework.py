"""Working cases at the desk as a person does: looking, deciding, confirming what is asked."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gateway.records.case_change import change
from gateway.records.case_view import find_case
from policies.sanctions.case import Case, Handed, Noticed
from policies.sanctions.words import Decision, NoticeKind, Phase

if TYPE_CHECKING:
    from conftest import Client, World

MARKUP = "<img src=x onerror=alert(1)><b>"


def name(case: Case) -> str:
    """A case's name in addresses."""
    return f"C-{case.id:06d}"


def now_of(world: World, case: Case) -> Case:
    """The case as it stands."""
    with world.database.reading() as connection:
        found = find_case(connection, case.id)
    assert found is not None
    return found.case


def stamp(page: str) -> str:
    """What the forms of a case's page carry."""
    found = re.search(r'name="stamp" value="(\d+)"', page)
    assert found
    return found[1]


def submitted(world: World, tenant: str) -> Case:
    """A case in which everything was handed in."""
    case = world.open(tenant).case
    with world.database.transaction() as connection:
        for happening in (
            Noticed(NoticeKind.OPENED),
            *(Handed(one.name, "jan") for one in case.requirements),
        ):
            case = change(connection, case.id, happening, "jan", world.now, world.rules).case
    assert case.phase is Phase.SUBMITTED
    return case


async def decide(client: Client, case: Case, decision: Decision, **more: Any) -> str:
    """Decide as a person does: open the case, send the form, confirm what is asked; the answer."""
    page = (await client.get(f"cases/{name(case)}")).text
    form = {"stamp": stamp(page), "decision": decision, "reason": "for a reason", **more}
    answer = await client.post(f"cases/{name(case)}/decide", **form)
    if answer.status_code == HTTPStatus.OK:
        assert "touches" in answer.text
        answer = await client.post(f"cases/{name(case)}/decide", confirmed="yes", **form)
    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
    return (await client.get(f"cases/{name(case)}")).text


def actions(page: str) -> set[str]:
    """What a case's page offers to decide."""
    return set(re.findall(r'name="decision" value="([a-z-]+)"', page))
