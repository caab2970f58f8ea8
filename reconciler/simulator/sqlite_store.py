"""The stand-in's state in SQLite: one row an integration, shared by processes, safe to kill.

The file holds the secrets it was given, so only its owner may read it. What the state means:
`reconciler.simulator.store`.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from reconciler.errors import ReconcilerError
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
_OLDEST_FIRST = (
    "SELECT record FROM integrations WHERE record IS NOT NULL ORDER BY position LIMIT ? OFFSET ?"
)
_NEWEST_FIRST = _OLDEST_FIRST.replace("position", "position DESC")
_VERSION = 1
_ATTEMPTS = 5


class SimulatorStateError(ReconcilerError):
    """The simulator's file cannot be used: corrupt, locked, unreadable or of another version."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the simulator's state in {path} cannot be used: {reason}",
            code="simulator-state",
            hint=f"stop other processes that use it, or delete {path} to begin anew",
        )
        self.path = path


class SqliteStore:
    """A store on disk; `patience_seconds` is how long a write waits for another process's."""

    def __init__(self, path: Path, *, busy_timeout_seconds: float = 10.0) -> None:
        self._path = path
        with self._translated():
            self._database = _open(path, busy_timeout_seconds)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def transaction(self, *, write: bool) -> AbstractContextManager[None]:
        """Hold the file for one request: other processes wait to write, or keep reading."""
        return self._transaction("BEGIN IMMEDIATE" if write else "BEGIN")

    def entry(self, slug: str) -> StoredIntegration | None:
        """Give what is known under a slug."""
        row = self._one(
            "SELECT record, previous, changed_at FROM integrations WHERE slug = ?", slug
        )
        return (
            None
            if row is None
            else StoredIntegration(self._load(row[0]), self._load(row[1]), row[2])
        )

    def slug_of(self, identifier: str) -> str | None:
        """Find the slug of an id."""
        row = self._one("SELECT slug FROM integrations WHERE id = ?", identifier)
        return None if row is None else str(row[0])

    def put(self, slug: str, entry: StoredIntegration) -> None:
        """Keep an entry; a record that returns after a delete takes the last place."""
        record, previous = _dump(entry.record), _dump(entry.previous)
        known = self._one("SELECT record IS NULL FROM integrations WHERE slug = ?", slug)
        if known is not None and known[0] and entry.record is not None:
            self._run("DELETE FROM integrations WHERE slug = ?", slug)
        self._run(
            "INSERT INTO integrations (slug, id, record, previous, changed_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (slug) DO UPDATE SET"
            " id = excluded.id, record = excluded.record, previous = excluded.previous,"
            " changed_at = excluded.changed_at",
            slug,
            (entry.record or entry.previous or {}).get("id", ""),
            record,
            previous,
            entry.changed_at,
        )

    def entries(self) -> Iterator[tuple[str, StoredIntegration]]:
        """Walk everything ever put, oldest first."""
        rows = self._all(
            "SELECT slug, record, previous, changed_at FROM integrations ORDER BY position"
        )
        for slug, record, previous, changed_at in rows:
            yield slug, StoredIntegration(self._load(record), self._load(previous), changed_at)

    def page(self, *, offset: int, limit: int, newest: bool) -> tuple[int, list[Record]]:
        """Count the records and give some of them."""
        total = self._one("SELECT count(*) FROM integrations WHERE record IS NOT NULL")
        rows = self._all(_NEWEST_FIRST if newest else _OLDEST_FIRST, limit, offset)
        return int(total[0]) if total else 0, [self._load(row[0]) for row in rows]

    def get_value(self, key: str) -> Any:
        """Give a remembered value, or None."""
        row = self._one("SELECT value FROM facts WHERE key = ?", key)
        return None if row is None else self._load(row[0])

    def set_value(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._run(
            "INSERT INTO facts VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            key,
            json.dumps(value),
        )

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._run(begin)
        try:
            yield
        except BaseException:
            with suppress(SimulatorStateError):
                self._run("ROLLBACK")
            raise
        self._run("COMMIT")

    def _one(self, sql: str, *values: Any) -> Any:
        with self._translated():
            return self._database.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._translated():
            return self._database.execute(sql, values).fetchall()

    def _run(self, sql: str, *values: Any) -> None:
        with self._translated():
            self._database.execute(sql, values)

    def _load(self, text: str | None) -> Any:
        with self._translated():
            return None if text is None else json.loads(text)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as reason:
            raise SimulatorStateError(self._path, str(reason)) from reason


def _open(path: Path, busy_timeout_seconds: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
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
    _write_ahead(database)
    database.execute("PRAGMA synchronous = NORMAL")
    if version == 0:
        database.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
        )


def _write_ahead(database: sqlite3.Connection) -> None:
    """Switch the journal to WAL; SQLite does not wait for others with this, so a write waits."""
    for _ in range(_ATTEMPTS):
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            database.execute("BEGIN IMMEDIATE")
            database.execute("COMMIT")
        else:
            return


def _dump(record: Record | None) -> str | None:
    return None if record is None else json.dumps(record)
