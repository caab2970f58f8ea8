"""Tables of the ledger.

Documents are canonical JSON in text columns, so that their hash never depends on the database;
times are UTC text that sorts by time. A change here needs a step in `reconciler.ledger.migrations`.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

targets = Table(
    "targets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("host", String, nullable=False),
    # Empty until the API's list has shown the organisation. Not null, because a unique constraint
    # treats two nulls as different values.
    Column("organisation", String, nullable=False),
    UniqueConstraint("name", "host", "organisation"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("target", ForeignKey("targets.id"), nullable=False, index=True),
    Column("run", String, nullable=False, unique=True),
    Column("started_at", String, nullable=False, index=True),
    Column("finished_at", String),
    Column("plan_digest", String, nullable=False),
    Column("facts", Text, nullable=False),
    Column("summary", Text),
    Column("previous", String),
    Column("hash", String),
    # Position in the chain of target and shard, and the digest of the last-applied rows then.
    Column("position", Integer),
    Column("state", String),
)

runs_by_target = Index("ix_runs_target_id", runs.c.target, runs.c.id)
runs_by_hash = Index("ix_runs_target_hash", runs.c.target, runs.c.hash)
"""Index for the few runs of a target that have no hash yet."""

calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False, index=True),
    Column("slug", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("fields", Text, nullable=False),
    Column("started_at", String, nullable=False),
    Column("ended_at", String),
    Column("request_id", String),
    Column("error", String),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("slug", String, primary_key=True),
    Column("document", Text, nullable=False),
)

pre_images = Table(
    "pre_images",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("slug", String, primary_key=True),
    Column("document", Text, nullable=False),
)

declared = Table(
    "declared",
    metadata,
    Column("target", ForeignKey("targets.id"), primary_key=True),
    Column("slug", String, primary_key=True),
    Column("fields", Text, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("run", String),
    Column("identity", String),
    Column("source", Text),
)

secrets = Table(
    "secrets",
    metadata,
    Column("target", ForeignKey("targets.id"), primary_key=True),
    Column("slug", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("reference", String, nullable=False),
    Column("fingerprint", String),
    Column("mask", String),
    Column("run", String),
    Column("mask_agreed", Boolean, nullable=False, server_default=true()),
)

# Secrets that a call was about to send; a row is removed once the value in the API is known.
intents = Table(
    "intents",
    metadata,
    Column("call", ForeignKey("calls.id"), primary_key=True),
    Column("path", String, primary_key=True),
    Column("target", ForeignKey("targets.id"), nullable=False, index=True),
    Column("slug", String, nullable=False),
    Column("fingerprint", String, nullable=False),
)

seen = Table(
    "seen",
    metadata,
    Column("target", ForeignKey("targets.id"), primary_key=True),
    Column("slug", String, primary_key=True),
    Column("read_at", String, nullable=False),
    Column("document", Text, nullable=False),
)

holders = Table(
    "holders",
    metadata,
    Column("lock", String, primary_key=True),
    Column("document", Text, nullable=False),
)
