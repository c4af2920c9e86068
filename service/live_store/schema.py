"""Owns the tables as the code expects them; `migrations/` makes them so, and a test holds the two together.

State, not log: an article has one row, its last state, and carries the `sequence` of its last change, drawn in the
write transaction from the one row of `installation`. Followers ask for `sequence > last`. `audit` is the log.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

REVISION = "0002"  # the newest file of migrations/versions

metadata = MetaData()

installation = Table(
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

# `summary` is what followers read, `record` the whole article: both JSON, both null where the text is not known.
articles = Table(
    "articles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("version", Text),
    Column("summary", LargeBinary),
    Column("record", LargeBinary),
    Index("articles_by_sequence", "sequence", unique=True),
)

signals = Table(
    "signals",
    metadata,
    Column("article_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("signals", LargeBinary, nullable=False),
    Index("signals_by_sequence", "sequence", unique=True),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("article_id", Text, primary_key=True),
    Column("snapshot_id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("article_sequence", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("comparisons_by_sequence", "sequence", unique=True),
)

# All that is left of an erased article: the digest of its ID.
erased = Table(
    "erased",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("erased_by_sequence", "sequence", unique=True),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("article_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_article", "article_id", "number"),
)

# Signatures of webhook calls, each until it is too old to be accepted anyway.
replays = Table(
    "replays",
    metadata,
    Column("signature", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("replays_by_expiry", "expires_at"),
)

# What `migrate` wrote; read at first use.
alembic_version = Table("alembic_version", MetaData(), Column("version_num", Text, primary_key=True))
