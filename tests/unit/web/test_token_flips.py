"""No token with a flipped bit is taken, nor told from another; the campaign does a thousand."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.token_flips import Site, run

TOKENS = 2


async def test_every_flipped_bit_of_a_token_gets_the_same_refusal(tmp_path: Path) -> None:
    """Every bit of some API tokens and link tokens; `make token-flips` does 1,000 of each."""
    site = Site(tmp_path)
    tally = await run(site, TOKENS, seed=1)
    await site.process.stop()
    assert not tally.broken
    assert tally.tried["API token"] == TOKENS * 55 * 8
    assert {kind: len(answers) for kind, answers in tally.answers.items()} == {
        "API token": 1,
        "unsubscribe GET": 1,
        "unsubscribe POST": 1,
        "confirm GET": 1,
        "status GET": 1,
        "status POST": 1,
    }
