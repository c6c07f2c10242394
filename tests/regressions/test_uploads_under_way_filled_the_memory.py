"""Any number of files could be under way with one code, each with ten megabytes of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from gateway.web.status import passes
from gateway.web.status.places import PER_TENANT
from gateway.web.status.texts import STATUS
from policies.sanctions.words import FactKind
from tests.contract.status.world import BASE, World, made_in

HEAD = (
    '--b\r\nContent-Disposition: form-data; name="pass"\r\n\r\n{}\r\n'
    '--b\r\nContent-Disposition: form-data; name="do"\r\n\r\nhand\r\n'
    '--b\r\nContent-Disposition: form-data; name="requirement"\r\n\r\nscreenshot\r\n'
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nno picture'
)
BUSY = STATUS["en"]["say_upload_busy"]


class Upload:
    """A form whose file has begun, and ends when it is let go."""

    def __init__(self, world: World, tenant: str, *, is_slow: bool = True) -> None:
        self.path = world.link_of(world.open(tenant, FactKind.EMERGENCY))
        link_pass = passes.make(world.keyring, self.path.rpartition("/")[2], world.now)
        self._head = HEAD.format(link_pass).encode()
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()
        if not is_slow:
            self.may_end.set()

    async def _body(self) -> AsyncIterator[bytes]:
        yield self._head
        self.has_begun.set()
        await self.may_end.wait()
        yield b"\r\n--b--\r\n"

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        """The page that comes after it."""
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return await client.post(self.path, content=self._body(), headers=headers)


async def test_a_tenant_has_so_many_files_under_way_and_no_more(tmp_path: Path) -> None:
    """One more is told to wait, another tenant's is taken, and there is room once they end."""
    with made_in(tmp_path) as world:
        transport = httpx.ASGITransport(world.app())
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            under_way = [Upload(world, "acme") for _ in range(PER_TENANT)]
            sent = [asyncio.create_task(one.send(client)) for one in under_way]
            for one in under_way:
                await one.has_begun.wait()
            refused = await Upload(world, "acme", is_slow=False).send(client)
            assert (refused.status_code, BUSY in refused.text) == (503, True)
            assert 'name="pass"' in refused.text
            assert refused.headers["retry-after"] == "60"
            others = await Upload(world, "beta", is_slow=False).send(client)
            assert others.status_code == 422
            for one in under_way:
                one.may_end.set()
            assert {answer.status_code for answer in await asyncio.gather(*sent)} == {422}
            assert (await Upload(world, "acme", is_slow=False).send(client)).status_code == 422
