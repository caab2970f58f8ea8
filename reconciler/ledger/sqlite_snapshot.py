"""Snapshot of an SQLite ledger, and what checks store, with the driver alone.

Importing SQLAlchemy takes 15 MB and a quarter of the CPU time of a small plan. So a complete ledger
of the newest version is read and written here. `reconciler.ledger.store` handles any other ledger
and any failure: it migrates the ledger or explains the failure.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from reconciler.domain.state import LastApplied
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger import measured_rate
from reconciler.ledger.codec import (
    commits_of,
    last_applied_from_rows,
    seen_from_rows,
    seen_rows,
)
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import UNKNOWN_ORGANISATION, TargetKey
from reconciler.ledger.models import SeenState

T = TypeVar("T")

MAX_FINISHED_RUNS = 1000
"""Number of runs whose commits are compared with the checked-out commit."""

VERSION = 5
"""The version of the schema that is read here; a test compares it and the columns."""

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "meta": "name value",
        "targets": "id name host organisation",
        "runs": "id target run started_at finished_at plan_digest facts summary previous hash "
        "position state",
        "calls": "id run slug operation fields started_at ended_at request_id error",
        "outcomes": "run slug document",
        "pre_images": "run slug document",
        "declared": "target slug fields protected run identity source",
        "secrets": "target slug path reference fingerprint mask run mask_agreed",
        "intents": "call path target slug fingerprint",
        "seen": "target slug read_at document",
        "holders": "lock document",
    }
)
"""The columns of each table; a ledger without one of them is damaged."""

_FOUND_COLUMNS = """
    SELECT m.name, p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p
    WHERE m.type = 'table'
"""
_TARGETS = "SELECT id, organisation FROM targets WHERE name = :name AND host = :host"
_STORING_RUNS = """
    SELECT run, facts FROM runs WHERE run IN (SELECT run FROM declared WHERE target = :target)
"""
_FINISHED_RUNS = """
    SELECT facts FROM runs WHERE target = :target AND finished_at IS NOT NULL
    ORDER BY id DESC LIMIT :limit
"""

_RECENT_RUNS = """
    SELECT run, started_at FROM runs
    WHERE :target IS NULL OR target IN (SELECT id FROM targets WHERE name = :target)
    ORDER BY id DESC LIMIT :limit
"""

_META = "SELECT value FROM meta WHERE name = :name"
_SEEN = "SELECT slug, read_at, document FROM seen WHERE target = :target"
_DELETE_SEEN = "DELETE FROM seen WHERE target = :target AND slug = :slug"
_INSERT_SEEN = """
    INSERT INTO seen (target, slug, read_at, document)
    VALUES (:target, :slug, :read_at, :document)
"""
_STORE_META = "INSERT OR REPLACE INTO meta (name, value) VALUES (:name, :value)"


@dataclass(frozen=True, slots=True)
class StoredState:
    """Records of a target; `integrations` is None if the target is unknown.

    `rate` is the row of `reconciler.ledger.measured_rate`.
    """

    integrations: Mapping[str, LastApplied] | None
    organisations: frozenset[str]
    commits: tuple[str, ...]
    rate: str | None = None


def read_stored_state(file: Path, key: TargetKey) -> StoredState | None:
    """Return the records of a target, None for a ledger that this module does not read."""
    return _reading(file, lambda connection: _read(connection, key))


def read_seen_states(file: Path, key: TargetKey) -> Mapping[str, SeenState] | None:
    """Return each integration as it was last read; None as in `read_stored_state`."""

    def read(connection: sqlite3.Connection) -> Mapping[str, SeenState]:
        target = key.choose(_ids_by_organisation(connection, key))
        return seen_from_rows(connection.execute(_SEEN, {"target": target}))

    return _reading(file, read)


def recent_runs(file: Path, *, target: str | None, limit: int) -> dict[str, str]:
    """Return the newest runs on a target, or on all, with their times; newest first.

    A ledger that this module does not read has none.
    """
    try:
        if not file.is_file():
            return {}
        with closing(_connect(file)) as connection:
            found = connection.execute(_RECENT_RUNS, {"target": target, "limit": limit})
            return {row["run"]: row["started_at"] for row in found}
    # The runs are only used for completion, which a broken ledger must not disturb.
    except (sqlite3.Error, OSError):
        return {}


def store_seen_states(file: Path, key: TargetKey, items: Mapping[str, SeenState]) -> bool:
    """Store how integrations of a target looked, and return whether that was done.

    It is not done for an organisation that the ledger does not know.
    """

    def store(connection: sqlite3.Connection) -> bool:
        ids = _ids_by_organisation(connection, key)
        target = key.choose(ids) if key.organisation is None else ids.get(key.organisation)
        if target is None:
            return False
        # Deleted even if no new row follows, because an older read must not be reused.
        connection.executemany(_DELETE_SEEN, ({"target": target, "slug": slug} for slug in items))
        connection.executemany(_INSERT_SEEN, seen_rows(target, items))
        return True

    return _writing(file, store)


def store_rate(file: Path, key: TargetKey, text: str) -> bool:
    """Store the rate of a known target, and return whether that was done."""

    def store(connection: sqlite3.Connection) -> bool:
        target = key.choose(_ids_by_organisation(connection, key))
        if target is None:
            return False
        values = {"name": measured_rate.name_of(target), "value": text}
        connection.execute(_STORE_META, values)
        return True

    return _writing(file, store)


def uri_of(file: Path, *, read_only: bool) -> str:
    """Return the URI by which SQLite opens an existing file."""
    mode = f"mode=ro{_immutable(file)}" if read_only else "mode=rw"
    return f"file:{_quoted(file)}?{mode}"


def _reading(file: Path, read: Callable[[sqlite3.Connection], T]) -> T | None:
    """Return what is read in one transaction, None for a ledger that is not read here."""
    try:
        # A pipe under the name of the ledger would block the open.
        if not file.is_file():
            return None
        with closing(_connect(file)) as connection:
            # One state of the ledger, regardless of later commits.
            connection.execute("BEGIN")
            return read(connection) if _is_readable(connection) else None
    # After any failure, the ledger is read again with SQLAlchemy, which explains it.
    except (sqlite3.Error, LedgerError, OSError, UnicodeError):
        return None


def _writing(file: Path, store: Callable[[sqlite3.Connection], bool]) -> bool:
    """Write in one transaction, and return whether that was done.

    A ledger that is locked, read-only, older or damaged is not changed.
    """
    try:
        if not file.is_file():
            return False
        with closing(_connect(file, read_only=False)) as connection:
            # Takes the write lock immediately, because a read that becomes a write can fail after
            # it has started.
            connection.execute("BEGIN IMMEDIATE")
            is_stored = _is_readable(connection) and store(connection)
            connection.execute("COMMIT" if is_stored else "ROLLBACK")
            return is_stored
    except (sqlite3.Error, OSError, UnicodeError):
        return False


def _connect(file: Path, *, read_only: bool = True) -> sqlite3.Connection:
    # Does not wait for a locked file; SQLAlchemy's path waits for it.
    uri = uri_of(file, read_only=read_only)
    connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _is_readable(connection: sqlite3.Connection) -> bool:
    """Return whether the ledger is complete and has the version that is read here."""
    found: dict[str, set[str]] = {}
    for table, column in connection.execute(_FOUND_COLUMNS):
        found.setdefault(table, set()).add(column)
    for table, columns in COLUMNS.items():
        if not found.get(table, set()).issuperset(columns.split()):
            return False
    version = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    return version is not None and version["value"] == str(VERSION)


def _read(connection: sqlite3.Connection, key: TargetKey) -> StoredState:
    ids = _ids_by_organisation(connection, key)
    # A first run that found no integration has stored the target without an organisation.
    organisations = frozenset(ids) - {UNKNOWN_ORGANISATION}
    target = key.choose(ids)
    if target is None:
        # None instead of empty, because without a record, Git may have declared anything before.
        return StoredState(None, organisations, ())
    of_target = {"target": target, "limit": MAX_FINISHED_RUNS}
    integrations = last_applied_from_rows(
        declared=connection.execute("SELECT * FROM declared WHERE target = :target", of_target),
        secrets=connection.execute("SELECT * FROM secrets WHERE target = :target", of_target),
        intents=connection.execute("SELECT * FROM intents WHERE target = :target", of_target),
        runs=connection.execute(_STORING_RUNS, of_target),
    )
    finished = connection.execute(_FINISHED_RUNS, of_target)
    commits = commits_of(row["facts"] for row in finished)
    rate = connection.execute(_META, {"name": measured_rate.name_of(target)}).fetchone()
    return StoredState(integrations, organisations, commits, rate and rate["value"])


def _ids_by_organisation(connection: sqlite3.Connection, key: TargetKey) -> dict[str, int]:
    found = connection.execute(_TARGETS, {"name": key.name, "host": key.host})
    return {row["organisation"]: row["id"] for row in found}


def _quoted(file: Path) -> str:
    text = str(file.absolute())
    # The path becomes part of a URI. The percent sign comes first, or it would be quoted twice.
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _immutable(file: Path) -> str:
    """Return the URI parameter for a folder in which SQLite cannot create its shared memory.

    Nothing can change in such a folder, unless a write-ahead log is pending.
    """
    pending = file.with_name(file.name + "-wal").exists()
    return "" if pending or os.access(file.parent, os.W_OK) else "&immutable=1"
