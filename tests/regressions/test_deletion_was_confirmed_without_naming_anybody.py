"""A form of one's own confirmed that complaining addresses were deleted while some still waited."""

from __future__ import annotations

from pathlib import Path

import httpx

from gateway.web.status import passes
from tests.contract.status.world import BASE, made_in


async def test_deletion_is_confirmed_by_naming_whom(tmp_path: Path) -> None:
    """Not while somebody waits; naming the last of them meets the requirement."""
    with made_in(tmp_path) as world:
        key = world.complain("acme", "jan@far.test")
        case = world.open()
        path = world.link_of(case)
        link_pass = passes.make(world.keyring, path.rpartition("/")[2], world.now)
        transport = httpx.ASGITransport(world.app())
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:

            async def send(**fields: str) -> int:
                said = {"pass": link_pass, **fields}
                files = [(name, (None, value)) for name, value in said.items()]
                return (await client.post(path, files=files)).status_code

            assert await send(do="hand", requirement="deleted") == 422
            assert "deleted" in world.case(case.number).case.open_items
            assert await send(do="deleted", key=key) == 200
            assert "deleted" not in world.case(case.number).case.open_items
