"""Every screen of the desk, in the order of its navigation.

A test of all pages goes through `SCREENS` and their `routes.routes`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from gateway.records.staff import Role
from gateway.web.desk import (
    audit,
    blocks,
    case,
    cases,
    consents,
    lists,
    look_up,
    report,
    staff,
    storms,
    subjects,
    tenant,
    today,
)

EVERYBODY = tuple(Role)


@dataclass(frozen=True, slots=True)
class Screen:
    """`name` is its text in the navigation, `path` its first page below `/desk/` ("" for Today).

    One without `is_listed` is reached from other screens only.
    """

    name: str
    path: str
    routes: APIRouter
    roles: tuple[Role, ...] = EVERYBODY
    is_listed: bool = True

    def is_for(self, role: Role) -> bool:
        """Whether the navigation shows it to that role."""
        return self.is_listed and role in self.roles


SCREENS: tuple[Screen, ...] = (
    Screen("today", "", today.routes),
    Screen("cases", "cases", cases.routes),
    Screen("case", "cases/{name}", case.routes, is_listed=False),
    Screen("returned", "reports", report.routes),
    Screen("storms", "storms", storms.routes, is_listed=False),
    Screen("look_up", "look-up", look_up.routes),
    Screen("tenants", "tenants", tenant.routes),
    Screen("blocks", "blocks", blocks.routes),
    Screen("lists", "lists", lists.routes),
    Screen("consents", "consents", consents.routes),
    Screen("subjects", "subjects", subjects.routes),
    Screen("audit", "audit", audit.routes),
    Screen("staff", "staff", staff.routes, (Role.OPERATOR,)),
)
