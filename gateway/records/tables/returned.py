"""Bounces, the storms that hold them, and figures of what went out and came back."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table, text

from gateway.records.tables.base import WHOLE, WORDS, metadata, numbered

bounces = Table(
    "bounces",
    metadata,
    numbered(),
    Column("mark", WORDS, nullable=False, unique=True),
    Column("at", WHOLE, nullable=False),
    Column("tenant", WORDS, nullable=False),
    Column("stream", WORDS, nullable=False),
    Column("mailing", WORDS, nullable=False),
    Column("domain", WORDS, nullable=False),
    Column("provider", WORDS, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("ref", WORDS, nullable=False),
    Column("action", WORDS, nullable=False),
    Column("class", WORDS, nullable=False),
    Column("code", WHOLE, nullable=False),
    Column("enhanced", WORDS, nullable=False),
    Column("text", WORDS, nullable=False),
    Column("way", WORDS, nullable=False),
    Column("grade", WORDS),
    Column("state", WORDS, nullable=False),
    Column("due_at", WHOLE),
    Column("storm", WHOLE),
    sqlite_strict=True,
)
"""What became of one recipient; `mark` names it once and for all. It waits as `pending` until
`due_at`, is `believed`, `held` in a `storm`, or `released`."""

_pending = text("state = 'pending'")
_in_storm = text("storm IS NOT NULL")

Index("ix_bounces_key", bounces.c.key, bounces.c.tenant)
Index("ix_bounces_provider", bounces.c.provider, bounces.c.at)
Index("ix_bounces_pending", bounces.c.due_at, sqlite_where=_pending, postgresql_where=_pending)
Index("ix_bounces_storm", bounces.c.storm, sqlite_where=_in_storm, postgresql_where=_in_storm)

storms = Table(
    "storms",
    metadata,
    numbered(),
    Column("provider", WORDS, nullable=False),
    Column("since", WHOLE, nullable=False),
    Column("last_at", WHOLE, nullable=False),
    Column("unknown", WHOLE, nullable=False),
    Column("sent", WHOLE, nullable=False),
    Column("decision", WORDS),
    Column("decided_at", WHOLE),
    Column("decided_by", WORDS),
    Column("reason", WORDS),
    sqlite_strict=True,
)
"""Many unknown mailboxes of one provider at once: `unknown` of `sent`, when it was seen. No
`decision`: it holds its bounces."""

_open = text("decision IS NULL")

Index("ix_storms_open", storms.c.provider, unique=True, sqlite_where=_open, postgresql_where=_open)

figures = Table(
    "figures",
    metadata,
    Column("tenant", WORDS, primary_key=True, nullable=False),
    Column("day", WHOLE, primary_key=True, nullable=False),
    Column("stream", WORDS, primary_key=True, nullable=False),
    Column("mailing", WORDS, primary_key=True, nullable=False),
    Column("domain", WORDS, primary_key=True, nullable=False),
    Column("what", WORDS, primary_key=True, nullable=False),
    Column("amount", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Sums by day (since 1970, UTC), tenant, stream, mailing and sender domain."""

provider_sends = Table(
    "provider_sends",
    metadata,
    Column("provider", WORDS, primary_key=True, nullable=False),
    Column("start", WHOLE, primary_key=True, nullable=False),
    Column("amount", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Copies offered to recipients' domains, in slots of five minutes, for as long as storms need."""

Index("ix_provider_sends_start", provider_sends.c.start)

unproven_mails = Table(
    "unproven_mails",
    metadata,
    Column("day", WHOLE, primary_key=True, nullable=False),
    Column("source", LargeBinary, primary_key=True, nullable=False),
    Column("amount", WHOLE, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Kept mails that no listed source has signed, by day (since 1970, UTC) and keyed hash of what our
token in it names, or of the client's network; empty: of all clients together."""
