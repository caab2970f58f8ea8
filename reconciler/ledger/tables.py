"""Tables of the ledger.

Documents are canonical JSON in text columns, so that their hash never depends on the database;
times are UTC text that sorts by time. A change here needs a step in `reconciler.ledger.migrations`.
"""

from typing import Any, TypeVar

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
    TypeDecorator,
    UniqueConstraint,
    true,
)

from reconciler.ledger.errors import damaged

T = TypeVar("T")


class _Typed(TypeDecorator[T]):
    """Column whose values of another type are damage, because SQLite accepts any type in it."""

    # SQLAlchemy reads `cache_ok` only from the class itself, so each subclass repeats it.
    stored: type[T]

    def process_result_value(self, value: Any, dialect: object) -> T | None:  # noqa: ARG002
        """Return a stored value, or raise `LedgerError`."""
        if value is not None and not isinstance(value, self.stored):
            raise damaged()
        return value


class StoredString(_Typed[str]):
    """Short text."""

    impl = String
    cache_ok = True
    stored = str


class StoredText(_Typed[str]):
    """Text of any length."""

    impl = Text
    cache_ok = True
    stored = str


class StoredInteger(_Typed[int]):
    """Integer."""

    impl = Integer
    cache_ok = True
    stored = int


metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", StoredString, primary_key=True),
    Column("value", StoredString, nullable=False),
)

targets = Table(
    "targets",
    metadata,
    Column("id", StoredInteger, primary_key=True),
    Column("name", StoredString, nullable=False),
    Column("host", StoredString, nullable=False),
    # Empty until the API's list has shown the organisation. Not null, because a unique constraint
    # treats two nulls as different values.
    Column("organisation", StoredString, nullable=False),
    UniqueConstraint("name", "host", "organisation"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", StoredInteger, primary_key=True),
    Column("target", ForeignKey("targets.id"), nullable=False, index=True),
    Column("run", StoredString, nullable=False, unique=True),
    Column("started_at", StoredString, nullable=False, index=True),
    Column("finished_at", StoredString),
    Column("plan_digest", StoredString, nullable=False),
    Column("facts", StoredText, nullable=False),
    Column("summary", StoredText),
    Column("previous", StoredString),
    Column("hash", StoredString),
    # Position in the chain of target and shard, and the digest of the last-applied rows then.
    Column("position", StoredInteger),
    Column("state", StoredString),
)

runs_by_target = Index("ix_runs_target_id", runs.c.target, runs.c.id)
runs_by_hash = Index("ix_runs_target_hash", runs.c.target, runs.c.hash)
"""Index for the few runs of a target that have no hash yet."""

calls = Table(
    "calls",
    metadata,
    Column("id", StoredInteger, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False, index=True),
    Column("slug", StoredString, nullable=False),
    Column("operation", StoredString, nullable=False),
    Column("fields", StoredText, nullable=False),
    Column("started_at", StoredString, nullable=False),
    Column("ended_at", StoredString),
    Column("request_id", StoredString),
    Column("error", StoredString),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("slug", StoredString, primary_key=True),
    Column("document", StoredText, nullable=False),
)

pre_images = Table(
    "pre_images",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("slug", StoredString, primary_key=True),
    Column("document", StoredText, nullable=False),
)

declared = Table(
    "declared",
    metadata,
    Column("target", ForeignKey("targets.id"), primary_key=True),
    Column("slug", StoredString, primary_key=True),
    Column("fields", StoredText, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("run", StoredString),
    Column("identity", StoredString),
    Column("source", StoredText),
)

secrets = Table(
    "secrets",
    metadata,
    Column("target", ForeignKey("targets.id"), primary_key=True),
    Column("slug", StoredString, primary_key=True),
    Column("path", StoredString, primary_key=True),
    Column("reference", StoredString, nullable=False),
    Column("fingerprint", StoredString),
    Column("mask", StoredString),
    Column("run", StoredString),
    Column("mask_agreed", Boolean, nullable=False, server_default=true()),
)

# Secrets that a call was about to send; a row is removed once the value in the API is known.
intents = Table(
    "intents",
    metadata,
    Column("call", ForeignKey("calls.id"), primary_key=True),
    Column("path", StoredString, primary_key=True),
    Column("target", ForeignKey("targets.id"), nullable=False, index=True),
    Column("slug", StoredString, nullable=False),
    Column("fingerprint", StoredString, nullable=False),
)

seen = Table(
    "seen",
    metadata,
    Column("target", ForeignKey("targets.id"), primary_key=True),
    Column("slug", StoredString, primary_key=True),
    Column("read_at", StoredString, nullable=False),
    Column("document", StoredText, nullable=False),
)

holders = Table(
    "holders",
    metadata,
    Column("lock", StoredString, primary_key=True),
    Column("document", StoredText, nullable=False),
)
