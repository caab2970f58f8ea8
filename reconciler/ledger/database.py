"""Database of a ledger: opened, created or migrated if needed, and read in transactions.

`reconciler.ledger.sqlite` and `reconciler.ledger.postgres` open each engine, and
`reconciler.ledger.tables` defines the tables.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from reconciler.ledger import sqlite
from reconciler.ledger.errors import LedgerError, NoLedger, explain, not_created
from reconciler.ledger.location import LIMIT_SECONDS, LedgerState, Location
from reconciler.ledger.migrations import (
    NEWEST,
    check_version,
    create_tables,
    migrate,
    require_tables,
    version_of,
)
from reconciler.ledger.tables import metadata

_MISSING_EXTRA = "pip install 'portkey-reconciler[postgres]'"

# A reader sees one state of the ledger, regardless of later commits.
_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
# After waiting for another run, a write continues with what that run has committed.
_WRITING = {"isolation_level": "READ COMMITTED"}

_NOT_ALLOWED = """
    SELECT quote_ident(c.relname), quote_ident(current_user) FROM pg_class AS c
    WHERE c.relname = ANY(:tables) AND c.relkind = 'r' AND pg_table_is_visible(c.oid)
      AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
               AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
    ORDER BY c.relname
"""


class Database:
    """Open database, whose failures are raised as `LedgerError`.

    `limit_seconds` is the maximum time of one statement. `where` names the ledger in messages.
    With `is_unfinished`, commits are not synced.
    """

    def __init__(
        self,
        location: Location,
        *,
        read_only: bool,
        limit_seconds: float = LIMIT_SECONDS,
        where: str = "",
        is_unfinished: bool = False,
    ) -> None:
        self.where = where or location.where
        self.is_shared = location.file is None
        self._hidden = location.hidden
        self._read_only = read_only
        self._file = location.file
        self.engine = (
            sqlite.engine_of(
                self._file,
                read_only=read_only,
                limit_seconds=limit_seconds,
                is_unfinished=is_unfinished,
            )
            if self._file is not None
            else _server_engine(location, limit_seconds=limit_seconds)
        )
        self._file_identity = None if self._file is None else _identity_of(self._file)
        self._joined: Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the ledger."""
        with self._transaction(write=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that is on disk when the block ends."""
        with self._transaction(write=True) as connection:
            yield connection

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Join all transactions of the block into one; only one thread may open transactions."""
        with self._transaction(write=True) as connection:
            self._joined = connection
            try:
                yield
            finally:
                self._joined = None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Open a session without transactions, which an advisory lock needs."""
        with self.explained():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            yield connection

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise failures of the database as `LedgerError`."""
        try:
            yield
        except (SQLAlchemyError, UnicodeError) as problem:
            raise explain(
                problem, where=self.where, hidden=self._hidden, read_only=self._read_only
            ) from None

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        if self._joined is not None:
            with self.explained():
                yield self._joined
            return
        if write:
            self._require_same_file()
        options: dict[str, Any] = {}
        if self.is_shared:
            options = _WRITING if write else _READING
        with self.explained(), self.engine.connect() as raw:
            connection = raw.execution_options(write=write, **options)
            with connection.begin():
                yield connection

    def _require_same_file(self) -> None:
        """Refuse to write to a file that was removed or replaced: the data would be lost."""
        if self._file is not None and _identity_of(self._file) != self._file_identity:
            raise LedgerError(
                f"the ledger {self.where} was removed or replaced while it was in use",
                code="ledger-replaced",
                hint="check which program cleans or restores its folder, then run apply again",
            )

    def close(self) -> None:
        """Close every connection; the last one merges the write-ahead log into the file."""
        self.engine.dispose()


def open_for_reading(location: Location, limit_seconds: float) -> Database:
    """Open a ledger, migrated if it is old; raises `NoLedger` if there is none."""
    database = Database(location, read_only=True, limit_seconds=limit_seconds)
    try:
        with database.reading() as connection:
            found = version_of(connection)
            check_version(found)
            if found == NEWEST:
                require_tables(connection)
        if found is None:
            raise NoLedger(location.where)
    # Also on an interruption: no caller has the database yet, so none could close it.
    except BaseException:
        database.close()
        raise
    if found == NEWEST:
        return database
    # A migration needs a writable connection.
    database.close()
    return open_for_writing(location, limit_seconds)


def open_for_writing(location: Location, limit_seconds: float) -> Database:
    """Open a ledger, created or migrated if needed."""
    database = Database(location, read_only=False, limit_seconds=limit_seconds)
    try:
        with database.writing() as connection:
            migrate(connection)
    except BaseException:
        database.close()
        raise
    return database


def prepare_file(file: Path, *, is_new: bool, read_only: bool) -> None:
    """Check the file of a ledger, or create it.

    A new ledger is created under another name, so that no process sees an incomplete one.
    """
    if not is_new:
        sqlite.require_usable(file, read_only=read_only)
        return
    unfinished = sqlite.create_unfinished(file)
    try:
        location = Location(file=unfinished)
        database = Database(location, read_only=False, where=str(file), is_unfinished=True)
        try:
            with database.writing() as connection:
                create_tables(connection)
        finally:
            database.close()
        sqlite.sync(unfinished)
        sqlite.put_in_place(unfinished, file)
    except LedgerError as problem:
        raise not_created(problem, where=str(file)) from None
    finally:
        sqlite.remove_unfinished(unfinished)


def require_writable(url: str | None, *, path: Path) -> None:
    """Raise `LedgerError` unless a run could be recorded; nothing is left behind."""
    location = Location.of(url, default=path)
    if location.file is not None and location.state is LedgerState.FRESH:
        _require_writable_folder(location.file.absolute())
        return
    database = Database(location, read_only=False)
    try:
        with database.writing() as connection:
            # A role can have the right to create tables, but not to write to those of another
            # owner.
            if database.is_shared:
                _require_rights(connection)
            # DDL is transactional in both engines, so a failure leaves no table.
            name = f"reconcile_doctor_{secrets.token_hex(8)}"
            connection.execute(text(f"CREATE TABLE {name} (number INTEGER)"))
            connection.execute(text(f"DROP TABLE {name}"))
    finally:
        database.close()


def _server_engine(location: Location, *, limit_seconds: float) -> Engine:
    assert location.url is not None  # noqa: S101 - a Location has a file or a URL
    try:
        from reconciler.ledger import postgres  # noqa: PLC0415  its driver is an extra
    except ModuleNotFoundError:
        raise LedgerError(
            "the Python package `psycopg` is not installed",
            code="missing-extra",
            hint=_MISSING_EXTRA,
        ) from None
    return postgres.engine_of(location.url, limit_seconds=limit_seconds)


def _identity_of(file: Path) -> tuple[int, int] | None:
    try:
        # A removed file has no identity, so it differs from the one that was opened.
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _require_rights(connection: Connection) -> None:
    """Raise for tables of the ledger to which this role cannot write."""
    rows = connection.execute(text(_NOT_ALLOWED), {"tables": sorted(metadata.tables)}).all()
    if rows:
        tables, role = ", ".join(row[0] for row in rows), rows[0][1]
        raise LedgerError(
            f"permission denied for table {tables}",
            code="ledger-denied",
            hint=f"as its owner, run: GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}",
        )


def _require_writable_folder(file: Path) -> None:
    """Raise unless the nearest existing folder above the file can be written to."""
    folder = next(parent for parent in file.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise LedgerError(
            f"the ledger {file} cannot be created: {folder} is not a writable folder",
            code="ledger-unreachable",
            hint="make the folder writable, or set RECONCILE_LEDGER_URL to another place",
        )
