"""The same list elsewhere: as a SET in Redis, and as a map of Postfix.

Each takes the folder to work in, the list (one address a line), how many it has, and gives what
`benchmarks.lists` shows. Neither encrypts, has reasons or scopes, or writes to the disk before it
goes on; both hold plain addresses, spelt as they came. RuntimeError when they do not find what is
listed.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import redis

from benchmarks.look_up import GROUPS, check, groups
from benchmarks.processes import PATH

AT_ONCE = 1000
"""Members in one SADD."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Loading in seconds, size in octets an entry, a look-up of a hundred in milliseconds."""

    name: str
    seconds: float
    octets: float
    median_ms: float
    p99_ms: float | None


def in_redis(folder: Path, listed: Path, entries: int, _map_type: str) -> Beside:
    """A SET, loaded by pipelined SADDs and asked with SMISMEMBER over a Unix socket."""
    place = folder / "redis"
    place.mkdir(mode=0o700)
    command = ["redis-server", "--port", "0", "--unixsocket", "socket", "--dir", place]
    server = subprocess.Popen(
        [*command, "--save", "", "--appendonly", "no"], cwd=place, stdout=subprocess.DEVNULL
    )
    try:
        with closing(redis.Redis(unix_socket_path=str(place / "socket"))) as client:
            _wait(client)
            before = _used(client)
            began = time.monotonic()
            with listed.open() as lines, client.pipeline(transaction=False) as pipe:
                for number, part in enumerate(_parts(lines), 1):
                    pipe.sadd("suppressed", *part)
                    if number % 10 == 0:
                        pipe.execute()
                pipe.execute()
            seconds = time.monotonic() - began
            octets = (_used(client) - before) / entries
            taken = []
            for group in groups(entries):
                texts = [address.text for address in group]
                began = time.perf_counter()
                found = client.smismember("suppressed", texts)
                taken.append(time.perf_counter() - began)
                check(map(bool, found))
    finally:
        server.terminate()
        server.wait()
    median, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    return Beside("Redis SET", seconds, octets, median * 1000, p99 * 1000)


def _wait(client: redis.Redis) -> None:
    """Return once the server answers."""
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
            return
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def _parts(lines: Iterator[str]) -> Iterator[list[str]]:
    while part := [line.rstrip("\n") for line in islice(lines, AT_ONCE)]:
        yield part


def in_postfix(folder: Path, listed: Path, entries: int, map_type: str) -> Beside:
    """A map made by `postmap` from the list, and asked by it: the time of the process that asks
    for all groups at once, less that of one that asks for nothing, divided by the groups."""
    place = folder / "postfix"
    place.mkdir()
    (place / "main.cf").touch()
    table = f"{map_type}:{place}/map"
    began = time.monotonic()
    with listed.open() as lines, (place / "map").open("w") as out:
        out.writelines(f"{line.rstrip()} REJECT\n" for line in lines)
    _postmap(place, table)
    seconds = time.monotonic() - began
    octets = sum(file.stat().st_size for file in place.glob("map.*")) / entries
    asked = list(groups(entries))
    wanted = "".join(f"{address}\n" for group in asked for address in group)
    began = time.perf_counter()
    _postmap(place, "-q", "-", table, asking="nobody@nowhere.test\n")
    idle, began = time.perf_counter() - began, time.perf_counter()
    answer = _postmap(place, "-q", "-", table, asking=wanted)
    taken = time.perf_counter() - began - idle
    found = {line.partition("\t")[0] for line in answer.splitlines()}
    for group in asked:
        check(address.text in found for address in group)
    return Beside(f"Postfix {map_type}", seconds, octets, taken / GROUPS * 1000, None)


def _postmap(place: Path, *arguments: str, asking: str = "") -> str:
    done = subprocess.run(
        ["postmap", "-c", place, *arguments],
        env={"PATH": PATH},
        input=asking,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.stderr:
        raise RuntimeError(done.stderr)
    return done.stdout
