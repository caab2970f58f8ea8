"""Snapshot of an SQLite ledger, read with the driver alone.

Importing SQLAlchemy takes 15 MB and a quarter of the CPU time of a small plan. So a complete ledger
of the newest version is read here. Any other, and one that fails in any way, is left to
`reconciler.ledger.store`, which migrates it or explains the failure.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from reconciler.domain.state import LastApplied
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger import measured_rate
from reconciler.ledger.codec import commits_of, last_applied_from_rows
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import UNKNOWN_ORGANISATION, TargetKey

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
"""The columns of each table; a ledger that lacks one is damaged."""

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
_STORE_META = "INSERT OR REPLACE INTO meta (name, value) VALUES (:name, :value)"


@dataclass(frozen=True, slots=True)
class StoredState:
    """What a ledger holds of a target; `integrations` is None if the target is unknown.

    `rate` is the row of `reconciler.ledger.measured_rate`.
    """

    integrations: Mapping[str, LastApplied] | None
    organisations: frozenset[str]
    commits: tuple[str, ...]
    rate: str | None = None


def read_stored_state(file: Path, key: TargetKey) -> StoredState | None:
    """Return what a ledger holds of a target, None for a ledger that is not read here."""
    try:
        # A pipe under the name of the ledger would block the open.
        if not file.is_file():
            return None
        with closing(_connect(file)) as connection:
            # One state of the ledger, whatever is committed meanwhile.
            connection.execute("BEGIN")
            return _read(connection, key) if _is_readable(connection) else None
    except (sqlite3.Error, LedgerError, OSError, UnicodeError):
        return None


def recent_runs(file: Path, *, target: str | None, limit: int) -> dict[str, str]:
    """Return the newest runs on a target, or on all, with their times; newest first.

    A ledger that is not read here has none.
    """
    try:
        if not file.is_file():
            return {}
        with closing(_connect(file)) as connection:
            found = connection.execute(_RECENT_RUNS, {"target": target, "limit": limit})
            return {row["run"]: row["started_at"] for row in found}
    # The runs only complete a command line, which a broken ledger must not disturb.
    except (sqlite3.Error, OSError):
        return {}


def store_rate(file: Path, key: TargetKey, text: str) -> bool:
    """Store the rate of a known target, and return whether that was done.

    A ledger that is locked, read-only, older or damaged is left as it is.
    """
    try:
        if not file.is_file():
            return False
        with closing(_connect(file, read_only=False)) as connection:
            if not _is_readable(connection):
                return False
            named = connection.execute(_TARGETS, {"name": key.name, "host": key.host})
            target = key.choose({row["organisation"]: row["id"] for row in named})
            if target is None:
                return False
            values = {"name": measured_rate.name_of(target), "value": text}
            connection.execute(_STORE_META, values)
            return True
    except (sqlite3.Error, OSError, UnicodeError):
        return False


def uri_of(file: Path, *, read_only: bool) -> str:
    """Return the URI by which SQLite opens an existing file."""
    mode = f"mode=ro{_immutable(file)}" if read_only else "mode=rw"
    return f"file:{_quoted(file)}?{mode}"


def _connect(file: Path, *, read_only: bool = True) -> sqlite3.Connection:
    # Without a wait: a file that is locked is waited for by the other way.
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
    named = connection.execute(_TARGETS, {"name": key.name, "host": key.host})
    ids = {row["organisation"]: row["id"] for row in named}
    organisations = frozenset(ids) - {UNKNOWN_ORGANISATION}
    target = key.choose(ids)
    if target is None:
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
