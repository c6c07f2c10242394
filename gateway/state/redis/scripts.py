"""The Lua scripts that run inside Redis, by name.

A script `name` is the file `scripts/<name>.lua`, behind the shared parts that it names in its
first line (`-- uses: window, guard`). All touch the keys of one slot only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

USES = "-- uses:"


@dataclass(frozen=True, slots=True)
class Script:
    """Lua text and the digest that Redis knows it by.

    With `wants_epoch`, its first argument is the epoch of the server that it runs on; whoever runs
    it leaves that out.
    """

    name: str
    source: str
    digest: str
    wants_epoch: bool


def script(name: str, source: str, wants_epoch: bool = False) -> Script:
    """A script out of its text."""
    digest = sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, digest, wants_epoch)


@cache
def load(name: str, wants_epoch: bool = False) -> Script:
    """The packaged script of that name."""
    folder = files(__package__).joinpath("scripts")
    source = folder.joinpath(f"{name}.lua").read_text()
    first = source.partition("\n")[0]
    shared = first.removeprefix(USES).replace(" ", "").split(",") if first.startswith(USES) else []
    parts = [folder.joinpath(f"{part}.lua").read_text() for part in shared]
    return script(name, "\n".join([*parts, source]), wants_epoch)
