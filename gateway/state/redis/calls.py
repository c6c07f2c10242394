"""How everything here asks Redis: calls of all sessions, sent together and answered apart.

    calls = Calls(settings)          # per process; `await calls.start()` on the loop that uses it
    await calls.do("HGET", key, field)              # one command; its second word is its key
    await calls.run(script, [key, ...], [arg, ...]) # one script; all keys in one slot
    await calls.all([("HGET", a, f), ("GET", b)])   # a parallel set, answers in order

All calls of one turn of the event loop go to their server in one write; nobody owns the
connection, so a caller that is cancelled costs its own answer and nothing else. Whatever goes
wrong (an error of the server's, `redis.timeout`, an open circuit) is `StoreUnavailable`; whether a
call that failed so was carried out is not known, unless it is `NotDone`. Answers are octets,
ints, lists of them, or None.
Not for other threads: those use `asyncio.run_coroutine_threadsafe(calls.do(...), calls.loop)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import hiredis

from gateway.config.redis import RedisSettings
from gateway.errors import StoreUnavailable
from gateway.state.redis.link import Link
from gateway.state.redis.news import News
from gateway.state.redis.scripts import Script
from gateway.state.redis.servers import Servers, servers_of
from gateway.state.redis.wire import Arg, NotDone, Reply, Wire, pack

MOST_HOPS = 4
"""How often one call may be sent on to another server of a Cluster."""

NOT_WELL = ("READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "WRONGPASS")
"""Errors after which the connection is of no use."""


class Calls:
    """Asks the servers of one configuration."""

    def __init__(self, settings: RedisSettings) -> None:
        """Raises ConfigurationError when a password or certificate cannot be read."""
        self.news = News()
        """Tells of each server that is connected, or that is another than it was."""
        self._servers = servers_of(settings, self.news.tell)
        self.loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to connect, and wait until connected or until the first try has failed."""
        self.loop = asyncio.get_running_loop()
        await self._servers.start()

    async def close(self) -> None:
        """Close all connections; whoever waits gets StoreUnavailable."""
        await self._servers.close()

    def is_ready(self) -> bool:
        """True when every server that is needed is connected."""
        return self._servers.is_ready()

    def describe(self) -> dict[str, object]:
        """What is connected, for status pages and logs."""
        return self._servers.describe()

    async def do(self, *command: Arg) -> Reply:
        """The answer to one command, whose second word is a key."""
        return _value(await self.send(*command))

    async def run(self, script: Script, keys: Sequence[bytes], args: Sequence[Arg] = ()) -> Reply:
        """The answer of a script; all `keys` in one slot."""
        return _value(await self.send_script(script, keys, args))

    async def all(self, commands: Sequence[tuple[Arg, ...]]) -> list[Reply]:
        """The answers to commands that go out together, in order; the first error is raised."""
        if not commands:
            return []
        group = _Group(self._future(), len(commands))
        for place, command in enumerate(commands):
            self._push(_Call(self._servers, None, (), command, group, place), command[1])
        await group.future
        return [_value(answer) for answer in group.answers]

    def send(self, *command: Arg) -> asyncio.Future[Reply]:
        """Like `do`, but goes on at once; an error of the server's is the result, not raised."""
        group = _Group(self._future(), 0)
        self._push(_Call(self._servers, None, (), command, group, 0), command[1])
        return group.future

    def send_script(
        self, script: Script, keys: Sequence[bytes], args: Sequence[Arg] = ()
    ) -> asyncio.Future[Reply]:
        """Like `run`, but goes on at once; an error of the server's is the result, not raised."""
        group = _Group(self._future(), 0)
        self._push(_Call(self._servers, script, keys, args, group, 0), keys[0])
        return group.future

    async def learn(self, key: bytes) -> None:
        """Ask the server of a key anew who it is: its epoch may have changed."""
        await self._servers.learn(key)

    def epochs(self) -> tuple[str, ...]:
        """The lives of all servers that are connected: it changes when one of them does."""
        return tuple(wire.epoch for wire in self.wires())

    def wires(self) -> Sequence[Wire]:
        """The connections that are up, one for each server."""
        return [link.wire for link in self._servers.links() if link.wire is not None]

    def takes_unfit(self) -> bool:
        """True, once, when a server has thrown keys away and is back in use."""
        links = [link for link in self._servers.links() if link.was_unfit and link.is_ready]
        for link in links:
            link.was_unfit = False
        return bool(links)

    def _future(self) -> asyncio.Future[Reply]:
        if self.loop is None:
            raise StoreUnavailable("Redis: not started")
        return self.loop.create_future()

    def _push(self, call: _Call, key: Arg) -> None:
        link = self._servers.link(cast(bytes, key))
        if link is None:
            call.fail(NotDone("Redis: no server has this slot"))
        else:
            link.push(call)


def _value(answer: Reply) -> Reply:
    if isinstance(answer, hiredis.ReplyError):
        # What a server refuses it refuses before anything is written; what fails in the midst of a
        # script is a plain error.
        kind = StoreUnavailable if str(answer).startswith("ERR") else NotDone
        raise kind(f"Redis: {answer}")
    return answer


class _Group:
    """A future for one answer (`size` 0) or for a list of `size` of them."""

    __slots__ = ("answers", "future", "left")

    def __init__(self, future: asyncio.Future[Reply], size: int) -> None:
        self.future = future
        self.answers: list[Reply] = [None] * size
        self.left = size

    def hear(self, place: int, answer: Reply) -> None:
        future = self.future
        if self.left:
            self.answers[place] = answer
            self.left -= 1
            if self.left:
                return
            answer = None
        if not future.done():
            future.set_result(answer)

    def fail(self, problem: StoreUnavailable) -> None:
        if not self.future.done():
            self.future.set_exception(problem)


class _Call:
    """One command on its way, which may be sent on to another server."""

    __slots__ = ("_group", "_hops", "_keys", "_place", "_script", "_servers", "_words", "sent_at")

    def __init__(
        self,
        servers: Servers,
        script: Script | None,
        keys: Sequence[bytes],
        words: Sequence[Arg],
        group: _Group,
        place: int,
    ) -> None:
        self._servers = servers
        self._script = script
        self._keys = keys
        self._words = words
        self._group = group
        self._place = place
        self._hops = 0
        self.sent_at = 0.0

    def pack(self, wire: Wire) -> bytes:
        """The command as octets, with the epoch of where it goes."""
        script, words = self._script, self._words
        if script is None:
            return pack(tuple(words))
        keys = self._keys
        if script.wants_epoch:
            words = (wire.epoch, *words)
        if script.digest in wire.scripts:
            return pack(("EVALSHA", script.digest, len(keys), *keys, *words))
        wire.scripts.add(script.digest)
        return pack(("EVAL", script.source, len(keys), *keys, *words))

    def hear(self, wire: Wire, reply: Reply) -> None:
        """Pass the answer on, unless the server says that another is to be asked."""
        if isinstance(reply, hiredis.ReplyError) and self._is_sent_on(wire, str(reply)):
            return
        self._group.hear(self._place, reply)

    def fail(self, problem: StoreUnavailable) -> None:
        """There will be no answer."""
        self._group.fail(problem)

    def _is_sent_on(self, wire: Wire, error: str) -> bool:
        """Whether the call was not carried out and has been sent again."""
        code = error.partition(" ")[0]
        if code in NOT_WELL:
            wire.close(error)
            return False
        if self._hops >= MOST_HOPS:
            return False
        if code == "NOSCRIPT":
            wire.scripts.clear()
            link: Link | None = self._servers.link_of(wire)
        elif code in ("MOVED", "ASK"):
            link = self._servers.moved(error, is_for_good=code == "MOVED")
            if link is not None and code == "ASK":
                link.push(_Asking())
        else:
            return False
        if link is None:
            return False
        self._hops += 1
        link.push(self)
        return True


class _Asking:
    """Says that the next command is for a slot that is just moving in."""

    __slots__ = ("sent_at",)

    def __init__(self) -> None:
        self.sent_at = 0.0

    def pack(self, wire: Wire) -> bytes:
        return pack(("ASKING",))

    def hear(self, wire: Wire, reply: Reply) -> None:
        """Nobody waits for that."""

    def fail(self, problem: StoreUnavailable) -> None:
        """The call behind it fails, too."""
