"""Store of the simulator in a SQLite file: shared by processes, safe to kill.

One row per integration. The file contains secrets, so only its owner may read it. The protocol and
the meaning of an entry: `reconciler.simulator.store`.
"""

import errno
import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from reconciler.errors import ReconcilerError, write_hint
from reconciler.simulator.store import Record, StoredIntegration

_SCHEMA = """
CREATE TABLE IF NOT EXISTS integrations (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,
    record TEXT,
    previous TEXT,
    changed_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS integrations_by_id ON integrations (id);
CREATE INDEX IF NOT EXISTS integrations_live ON integrations (position) WHERE record IS NOT NULL;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_AUDIT = "CREATE TABLE IF NOT EXISTS audit (position INTEGER PRIMARY KEY, record TEXT NOT NULL)"
_OLDEST_FIRST = (
    "SELECT record FROM integrations WHERE record IS NOT NULL ORDER BY position LIMIT ? OFFSET ?"
)
_NEWEST_FIRST = _OLDEST_FIRST.replace("position", "position DESC")
_VERSION = 1
_WAL_ATTEMPTS = 5


class SimulatorStateError(ReconcilerError):
    """Raised for a simulator file that is corrupt, locked, unreadable or of another version."""

    def __init__(self, path: Path, reason: str, *, hint: str = "") -> None:
        remedy = "stop other processes that use it, or delete {} to start with an empty state"
        super().__init__(
            f"the simulator's state in {path} cannot be used: {reason}",
            code="simulator-state",
            hint=hint or remedy.format(path),
        )
        self.path = path


class SqliteStore:
    """Store on disk; a write waits up to `busy_timeout_seconds` for that of another process."""

    def __init__(self, path: Path, *, busy_timeout_seconds: float = 10.0) -> None:
        self._path = path
        with self._translate_errors():
            self._database = _open(path, busy_timeout_seconds)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def transaction(self, *, write: bool) -> AbstractContextManager[None]:
        """Isolate one request: other processes wait before they write, and can read."""
        return self._transaction("BEGIN IMMEDIATE" if write else "BEGIN")

    def entry(self, slug: str) -> StoredIntegration | None:
        """Return the entry of a slug."""
        row = self._fetch_one(
            "SELECT record, previous, changed_at FROM integrations WHERE slug = ?", slug
        )
        if row is None:
            return None
        return StoredIntegration(self._load(row[0]), self._load(row[1]), row[2])

    def slug_of(self, identifier: str) -> str | None:
        """Return the slug of an id."""
        row = self._fetch_one("SELECT slug FROM integrations WHERE id = ?", identifier)
        return None if row is None else str(row[0])

    def put(self, slug: str, entry: StoredIntegration) -> None:
        """Store an entry; a slug that is created again after a delete takes the last place."""
        record, previous = _dump(entry.record), _dump(entry.previous)
        known = self._fetch_one("SELECT record IS NULL FROM integrations WHERE slug = ?", slug)
        if known is not None and known[0] and entry.record is not None:
            self._execute("DELETE FROM integrations WHERE slug = ?", slug)
        self._execute(
            "INSERT INTO integrations (slug, id, record, previous, changed_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (slug) DO UPDATE SET"
            " id = excluded.id, record = excluded.record, previous = excluded.previous,"
            " changed_at = excluded.changed_at",
            slug,
            # A deleted integration keeps its id: a stale read can still request it.
            (entry.record or entry.previous or {}).get("id", ""),
            record,
            previous,
            entry.changed_at,
        )

    def entries(self) -> Iterator[tuple[str, StoredIntegration]]:
        """Iterate over all entries, oldest first."""
        rows = self._fetch_all(
            "SELECT slug, record, previous, changed_at FROM integrations ORDER BY position"
        )
        for slug, record, previous, changed_at in rows:
            yield slug, StoredIntegration(self._load(record), self._load(previous), changed_at)

    def page(self, *, offset: int, limit: int, newest: bool) -> tuple[int, list[Record]]:
        """Return how many records exist, and those of one page."""
        total = self._fetch_one("SELECT count(*) FROM integrations WHERE record IS NOT NULL")
        rows = self._fetch_all(_NEWEST_FIRST if newest else _OLDEST_FIRST, limit, offset)
        return int(total[0]) if total else 0, [self._load(row[0]) for row in rows]

    def get_value(self, key: str) -> Any:
        """Return a stored value, or None."""
        row = self._fetch_one("SELECT value FROM facts WHERE key = ?", key)
        return None if row is None else self._load(row[0])

    def set_value(self, key: str, value: object) -> None:
        """Store a value."""
        self._execute(
            "INSERT INTO facts VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            key,
            json.dumps(value),
        )

    def add_audit_record(self, record: Record) -> None:
        """Add a record to the end of the audit log."""
        self._execute("INSERT INTO audit (record) VALUES (?)", json.dumps(record))

    def audit_records(self) -> list[Record]:
        """Return the audit log, oldest first."""
        if not self._has_audit_log():
            return []
        rows = self._fetch_all("SELECT record FROM audit ORDER BY position")
        return [self._load(row[0]) for row in rows]

    def audit_length(self) -> int:
        """Return the number of records in the audit log, which a write then extends."""
        # Files of earlier versions do not have the table.
        self._execute(_AUDIT)
        row = self._fetch_one("SELECT max(position) FROM audit")
        return int(row[0] or 0)

    def _has_audit_log(self) -> bool:
        return bool(self._fetch_one("SELECT 1 FROM sqlite_master WHERE name = 'audit'"))

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._execute(begin)
        try:
            yield
        # A cancellation must also end the transaction, which would block writes of other processes.
        except BaseException:
            # The first error is reported.
            with suppress(SimulatorStateError):
                self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")

    def _fetch_one(self, sql: str, *values: object) -> Any:
        with self._translate_errors():
            return self._database.execute(sql, values).fetchone()

    def _fetch_all(self, sql: str, *values: object) -> list[Any]:
        with self._translate_errors():
            return self._database.execute(sql, values).fetchall()

    def _execute(self, sql: str, *values: object) -> None:
        with self._translate_errors():
            self._database.execute(sql, values)

    def _load(self, text: str | None) -> Any:
        with self._translate_errors():
            return None if text is None else json.loads(text)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as reason:
            why = reason.strerror or "unknown reason"
            raise SimulatorStateError(self._path, why, hint=write_hint(reason)) from reason
        # A `ValueError` means that JSON in the file is damaged.
        except (sqlite3.Error, ValueError) as reason:
            full = getattr(reason, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            hint = write_hint(OSError(errno.ENOSPC, "")) if full else ""
            raise SimulatorStateError(self._path, str(reason), hint=hint) from reason


def _open(path: Path, busy_timeout_seconds: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Before SQLite creates it, readable by others.
    path.touch(mode=0o600)
    path.chmod(0o600)
    # Transactions are explicit: `BEGIN IMMEDIATE` takes the write lock before a read. Requests may
    # come from another thread than the one that opened the file, one at a time.
    database = sqlite3.connect(
        path, timeout=busy_timeout_seconds, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(database)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError(f"version {version} instead of {_VERSION}")
    # With WAL this loses nothing when a process is killed. Only a power failure can damage the
    # file, and a sync takes longer than all other work of a request.
    database.execute("PRAGMA synchronous = OFF")
    _enable_wal(database)
    if version == 0:
        # Another process may have done the same in the meantime; the statements then change
        # nothing.
        database.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
        )


def _enable_wal(database: sqlite3.Connection) -> None:
    """Switch the journal to WAL.

    This pragma ignores the busy timeout, so an empty write waits for the other process instead.
    """
    for _ in range(_WAL_ATTEMPTS):
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            database.execute("BEGIN IMMEDIATE")
            database.execute("COMMIT")
        else:
            return


def _dump(record: Record | None) -> str | None:
    return None if record is None else json.dumps(record)
