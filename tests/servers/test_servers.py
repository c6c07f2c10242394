"""The servers that tests start: they can be hurt as tests need it, and nothing outlives a run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests.servers.program import family, is_alive, wait_for
from tests.servers.redis import RedisServer
from tests.servers.wire import Wire

DYING = """
import os, signal
from tests.servers.redis import RedisServer
with RedisServer() as server:
    print(server.pid, server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_outlives_a_killed_test_run():
    """A server ends although the process that started it was killed and could not stop it."""
    died = subprocess.run(
        [sys.executable, "-c", DYING], capture_output=True, text=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    pid, folder = died.stdout.split()
    wait_for(lambda: not is_alive(int(pid)))
    for file in Path(folder).iterdir():
        file.unlink()
    Path(folder).rmdir()


def test_a_frozen_server_answers_when_it_is_thawed():
    """`pause` freezes without closing anything, `resume` gives the answers that were due."""
    with RedisServer() as server, server.client(socket_timeout=0.2) as client:
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert server.ask("PING")


def test_a_killed_server_comes_back_on_its_port_with_nothing():
    """Without persistence a restart forgets everything."""
    with RedisServer() as server:
        server.ask("SET", "a", 1)
        server.restart()
        assert server.ask("DBSIZE") == 0


def test_sentinels_agree_on_another_primary(redis_set):
    """What was written before an orderly failover is there after it, on another server."""
    before = redis_set.primary
    before.ask("SET", "a", 1)
    before.ask("WAIT", 1, 5000)
    after = redis_set.failover()
    assert after is not before
    assert after.ask("GET", "a") == b"1"


def test_a_slot_moves_to_another_master(redis_cluster):
    """A key is found wherever its slot lies."""
    with redis_cluster.client() as client:
        client.set("{a}key", 1)
        slot = redis_cluster.slot("{a}key")
        to = next(one for one in redis_cluster.masters if one is not redis_cluster.owner(slot))
        redis_cluster.open_move(slot, to)
        assert client.get("{a}key") == b"1"
        redis_cluster.move_slot(slot, to)
        assert client.get("{a}key") == b"1"
        assert redis_cluster.owner(slot) is to


def _migrate(settings):
    """Stands for the gateway's migrations."""
    with psycopg.connect(
        host=settings["host"],
        port=settings["port"],
        dbname=settings["database"],
        user=settings["username"],
    ) as made:
        made.execute("CREATE TABLE one (a INTEGER)")


def test_databases_are_copies_of_one_that_was_migrated_once(postgres_server):
    """Two databases of one template do not see each other's rows."""
    first, second = postgres_server.fresh(_migrate), postgres_server.fresh(_migrate)
    postgres_server.execute("INSERT INTO one VALUES (1)", first)
    assert postgres_server.execute("SELECT * FROM one", second) == []
    with postgres_server.connect(first) as held:
        assert postgres_server.sessions(first) == 1
        assert postgres_server.terminate(first) == 1
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    assert len(family(postgres_server.pid)) > 1


def test_a_wire_stalls_and_mends():
    """A stalled wire takes connections and answers nothing; a mended one carries again."""
    with RedisServer() as server, Wire(server.port) as wire:
        through = redis.Redis("127.0.0.1", wire.port, retry=None, socket_timeout=60)
        hasty = redis.Redis("127.0.0.1", wire.port, retry=None, socket_timeout=0.2)
        assert through.ping()
        wire.stall()
        with pytest.raises(redis.TimeoutError):
            hasty.ping()
        wire.mend()
        through.close()  # what was stalled is reset
        assert through.ping()
        wire.refuse()
        with pytest.raises(redis.ConnectionError):
            through.ping()
        through.close()
        hasty.close()
