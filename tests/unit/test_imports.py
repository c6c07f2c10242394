"""Imports run one way, from the wiring down to the plain values, and libraries keep their place.

The diagram is the design's, top first: a part may import itself and what comes after it. A new
part must be given its place here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIAGRAM = """
    gateway.__main__ gateway.demo gateway.cli gateway.commands gateway.app gateway.supervisor
    gateway.socket_keeper gateway.gauges gateway.worker_control gateway.snapshot gateway.delivery
    gateway.marks gateway.web gateway.jobs_process gateway.jobs_host gateway.shared_jobs
    gateway.feedback gateway.smtp gateway.opt_in gateway.notices gateway.sanctions gateway.uploads
    gateway.sender_dns gateway.courier gateway.under_way gateway.webhooks gateway.evidence
    gateway.privacy gateway.pre_check gateway.enforcement gateway.pipeline gateway.claiming
    gateway.stage gateway.journal_index gateway.jobs gateway.stores gateway.checkpoint
    gateway.background gateway.leader gateway.records gateway.state gateway.ledger gateway.relay
    gateway.node gateway.sockets gateway.processes gateway.config gateway.presets gateway.control
    gateway.journal_reader gateway.journal gateway.explanation gateway.alerts gateway.alert
    gateway.boards gateway.metrics_merge gateway.metrics gateway.metrics_declared gateway.reference
    gateway.refs gateway.events policies suppression gateway.message gateway.framing gateway.replies
    gateway.reply gateway.networks gateway.words gateway.errors gateway.loading
"""
LAYERS = DIAGRAM.split()
PEERS = {"policies", "suppression"}
"""They decide and remember together; neither imports an edge or a store."""
STORES = {"redis", "hiredis", "psycopg", "sqlalchemy", "sqlite3", "alembic"}
STORE_USERS = {"gateway.records", "gateway.state"}
CRYPTOGRAPHY = {"cryptography"}
LIBRARIES: dict[str, set[str]] = {
    "policies": set(),
    "suppression": {"cryptography", "idna"},
    **dict.fromkeys(LAYERS[LAYERS.index("gateway.message") :], CRYPTOGRAPHY),
}
"""All that these may import beside the standard library and the project."""


def part_of(module: str) -> str:
    """`gateway.relay.pool` is of the part `gateway.relay`; policies and suppression are whole."""
    names = module.split(".")
    return ".".join(names[:2]) if names[0] == "gateway" else names[0]


def imports(source: str) -> Iterator[str]:
    """Every module that `source` imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_arrows(module: str, source: str) -> list[str]:
    """What `module` imports and should not."""
    here = part_of(module)
    wrong = []
    for target in imports(source):
        there = part_of(target)
        library = target.partition(".")[0]
        if library in ("gateway", "policies", "suppression"):
            is_right = here == there or {here, there} == PEERS
            is_right = is_right or LAYERS.index(here) < LAYERS.index(there)
        elif library in STORES:
            is_right = here in STORE_USERS
        else:
            is_right = library in sys.stdlib_module_names or library in LIBRARIES.get(
                here, {library}
            )
        if not is_right:
            wrong.append(f"{module} imports {target}")
    return wrong


def test_every_import_runs_the_right_way() -> None:
    """No file of the project imports what stands above it or a library that is not its own."""
    wrong = []
    for package in ("gateway", "policies", "suppression"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if module != "gateway.__init__":
                wrong += wrong_arrows(module, path.read_text())
    assert not wrong


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("policies.batch", "from gateway.smtp.session import Session"),
        ("policies.batch", "import redis"),
        ("policies.batch", "from gateway.records import database"),
        ("policies.batch", "import httpx"),
        ("suppression.keys", "def late():\n    import sqlite3"),
        ("gateway.relay.pool", "from gateway.web.app import web_app"),
        ("gateway.smtp.session", "import sqlalchemy.exc"),
        ("gateway.smtp.session", "from gateway import app"),
        ("gateway.message.stamp", "import pydantic"),
        ("gateway.replies", "from gateway.words import Body\nfrom gateway.events import Event"),
    ],
)
def test_a_wrong_arrow_is_found(module: str, source: str) -> None:
    """Each kind of wrong import fails, also inside a function and beside right ones."""
    assert len(wrong_arrows(module, source)) == 1
