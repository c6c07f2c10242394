"""A copy of the gateway in which one safety is taken out, to show that a campaign sees its loss.

`broken_copy(fault)` gives a folder with the packages; a process that has it first in PYTHONPATH
runs the broken gateway instead of the real one, and `in_use` sets that for what this process
starts. The edit is a piece of source text and what replaces it; a piece that is no longer found
exactly once fails loudly, so a broken copy is never by accident a sound one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "policies", "suppression")


class Edit(NamedTuple):
    """In `path`, `sound` stands exactly once; `broken` takes its place."""

    path: str
    sound: str
    broken: str


FAULTS = {
    # No intent is written before the dot: a killed process forgets what it was sending.
    "intents": Edit(
        "gateway/ledger/intents.py",
        """        self._note(ref, " ".join(["?" + key.hex() for key in keys]))
        try:
            self.flush()
""",
        """        return
        try:
            self.flush()
""",
    ),
    # Records that cannot be read count as "nobody is suppressed".
    "look-up": Edit(
        "gateway/pipeline.py",
        """            verdict = fault(self._alarm, "standings", error)
            away = Ruling(verdict.reply, [entry("standings", verdict)])
            return [(None, away)] * len(addresses)
""",
        """            from suppression.standing import Standing

            standings = [Standing(bytes(16)) for _ in addresses]
""",
    ),
    # Bare CR, bare LF and NUL pass.
    "endings": Edit(
        "gateway/framing.py",
        """        if feeds != ends or returns != ends or b"\\0" in block:
""",
        """        if ends < 0:
""",
    ),
    # A tag makes another person of somebody.
    "identity": Edit(
        "suppression/address.py",
        """    base = local.partition("+")[0] or local
""",
        """    base = local
""",
    ),
    # An opt-out is answered before it is written.
    "forget": Edit(
        "gateway/records/database.py",
        """        self._queue.put(_Change(work, future, loop))
        return await future""",
        """        loop.call_later(0.5, self._queue.put, _Change(work, future, loop))
        return (True, "", "")""",
    ),
    # A notice that may have gone out is sent again without a word.
    "unmarked": Edit(
        "gateway/records/notices.py",
        """    is_repeat = notice.may_be_out and notice.state is not NoticeState.WAITING
""",
        """    is_repeat = False
""",
    ),
    # A notice counts as taken before it leaves.
    "early": Edit(
        "gateway/notices/rounds.py",
        """        said = await self._send(""",
        """        await self._note(begun, Said(Fate.TAKEN, "", ""))
        said = await self._send(""",
    ),
    # A mail that came back is answered before the records have it.
    "hasty": Edit(
        "gateway/feedback/intake.py",
        """        done = await self._database.write(work)
""",
        """        import asyncio

        asyncio.get_running_loop().call_later(
            0.3, lambda: asyncio.ensure_future(self._database.write(work))
        )
        done = Done("report", parsed.form, True)
""",
    ),
    # A mail that comes once more is another one.
    "again": Edit(
        "gateway/feedback/parse.py",
        """    return sha256(mail.header.first("message-id") or octets).hexdigest()[:32]
""",
        """    import os

    return os.urandom(16).hex()
""",
    ),
    # What is given back of our mail is as the stranger wrote it.
    "odd-fields": Edit(
        "gateway/feedback/originals.py",
        """        field = raw.translate(_SPACES).replace(b"\\n", b"\\r\\n")
""",
        """        field = raw.replace(b"\\n", b"\\r\\n")
""",
    ),
    # Each reload holds the event loop.
    "hold": Edit(
        "gateway/app.py",
        """        self.listeners.apply(prepared.listeners, added)
        self._apply_limits()
""",
        """        time.sleep(0.08)
        self.listeners.apply(prepared.listeners, added)
        self._apply_limits()
""",
    ),
    # Look-ups of as many recipients that are under way at once get one answer.
    "mixed": Edit(
        "gateway/records/index_standings.py",
        """        standings = await self._by_index(stream, group)
""",
        """        import asyncio

        under_way = self.__dict__.setdefault("under_way", {})
        task = under_way.get(len(group))
        if task is None or task.done():
            task = asyncio.ensure_future(self._by_index(stream, group))
            under_way[len(group)] = task
        standings = list(await asyncio.shield(task))
""",
    ),
    # After Redis has lost what it held, batches are granted at once.
    "pause": Edit(
        "gateway/state/redis/scripts/claim.lua",
        "if has_batch_claim and ms < g.ready then",
        "if false then",
    ),
    # Nobody asks whether another worker deals with the same copy.
    "flights": Edit(
        "gateway/state/redis/flights.py",
        """        return await self._own(keys, wait, waits=True)
""",
        """        return [Found.FREE for _ in keys]
""",
    ),
    # Every message is kept for ever.
    "leak": Edit(
        "gateway/delivery.py",
        """        self.in_progress += 1
""",
        """        self.in_progress += 1
        self.__dict__.setdefault("kept", []).append(message)
""",
    ),
    # A text of a token's shape that is none of ours does not make the others doubtful.
    "forged": Edit(
        "gateway/feedback/traces.py",
        """            is_forged = True
""",
        """            pass
""",
    ),
}


@contextmanager
def broken_copy(fault: str) -> Iterator[Path]:
    """A folder with the packages, broken by `fault` of `FAULTS`; deleted at the end."""
    edit = FAULTS[fault]
    with tempfile.TemporaryDirectory(prefix="consentry-broken-") as name:
        folder = Path(name)
        for package in PACKAGES:
            shutil.copytree(
                PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        file = folder / edit.path
        text = file.read_text()
        if text.count(edit.sound) != 1:
            raise RuntimeError(f"{edit.path} no longer holds what the fault {fault!r} takes out")
        file.write_text(text.replace(edit.sound, edit.broken))
        yield folder


@contextmanager
def in_use(fault: str) -> Iterator[None]:
    """Gateways started meanwhile are broken by `fault`; "" leaves them sound."""
    with broken_copy(fault) if fault else nullcontext() as folder:
        before = os.environ.get("PYTHONPATH")
        if folder is not None:
            os.environ["PYTHONPATH"] = str(folder)
        try:
            yield
        finally:
            if folder is not None:
                os.environ.pop("PYTHONPATH")
                if before is not None:
                    os.environ["PYTHONPATH"] = before
