"""Blocking a sender domain from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.errors import ConfigurationError
from gateway.records.blocks import BlockList
from policies.ports import Block


@pytest.fixture
def block(folder):
    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, ["block", *arguments, "-c", str(folder.gateway)])
        if isinstance(result.exception, ConfigurationError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result

    return run


async def test_a_block_is_in_force_at_once_until_lifted(folder, block) -> None:
    """The data path sees the block, its case and its lifting, without a reload."""
    block("list")
    blocks = BlockList(folder.load().config.database)
    assert await blocks.find("example", "customer.example") is None
    block("add", "Customer.example", "--reason", "bought list", "--by", "ana")
    found = await blocks.find("example", "customer.example")
    assert found == Block("C-000001", "customer.example", "bought list", 2, found.tracking)
    assert await blocks.find("other", "customer.example") is None
    block("lift", "customer.example", "--reason", "cleaned")
    assert await blocks.find("example", "customer.example") is None
    blocks.close()


def test_a_second_block_names_the_first(block) -> None:
    """Blocking twice changes nothing; a lift ends the case, so that a later block is another."""
    block("add", "customer.example", "--reason", "first")
    assert (
        "already, case C-000001: first"
        in block("add", "customer.example", "--reason", "second").output
    )
    block("lift", "customer.example", "--reason", "ok")
    block("add", "customer.example", "--reason", "third")
    rows = json.loads(block("list", "--lifted", "--json").stdout)
    assert [(row["case"], row["reason"], row["lifted_reason"]) for row in rows] == [
        ("C-000002", "third", None),
        ("C-000001", "first", "ok"),
    ]


async def test_a_block_for_everybody(folder, block) -> None:
    """A domain that is nobody's is blocked for all tenants on request."""
    with pytest.raises(ConfigurationError, match=r"is no tenant's domain; say whose"):
        block("add", "spam.example", "--reason", "x")
    block("add", "spam.example", "--reason", "x", "--tenant", "*")
    blocks = BlockList(folder.load().config.database)
    assert await blocks.find("anyone", "spam.example")
    blocks.close()


def test_lifting_what_is_not_blocked(block) -> None:
    """There must be a block to lift."""
    with pytest.raises(ConfigurationError, match=r"no block on customer\.example for example"):
        block("lift", "customer.example", "--reason", "x")


def test_lifting_one_of_several_names_the_others(block) -> None:
    """A block of a parent domain, or for everybody, still stands in the way."""
    block("add", "customer.example", "--reason", "own")
    block("add", "customer.example", "--reason", "all", "--tenant", "*")
    block("add", "mail.customer.example", "--reason", "part", "--tenant", "example")
    said = block("lift", "mail.customer.example", "--reason", "ok", "--tenant", "example").output
    assert "may send again" not in said
    assert "customer.example for * is still blocked, case C-000002: all" in said
    assert "customer.example for example is still blocked, case C-000001: own" in said
    block("lift", "customer.example", "--reason", "ok", "--tenant", "*")
    assert "may send" in block("lift", "customer.example", "--reason", "ok").output
