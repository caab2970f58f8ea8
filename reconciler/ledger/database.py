"""An open database of a ledger and its two kinds of transactions.

How each kind of database is opened: `reconciler.ledger.sqlite` and `reconciler.ledger.postgres`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from reconciler.ledger import sqlite
from reconciler.ledger.errors import LedgerError, explain
from reconciler.ledger.location import LIMIT_SECONDS, Location

_MISSING_EXTRA = "pip install 'portkey-reconciler[postgres]'"

# A reader sees one state of the ledger, whatever else is committed while it reads on.
_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_WRITING = {"isolation_level": "READ COMMITTED"}


class Database:
    """An open database; failures come out as `LedgerError`.

    `limit_seconds` is the longest that one statement may keep its caller waiting.
    """

    def __init__(
        self, location: Location, *, read_only: bool, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        self.where = location.where
        self.is_shared = location.file is None
        self._hidden = location.hidden
        self._file = location.file
        self.engine = _engine(location, read_only=read_only, limit_seconds=limit_seconds)
        self._identity = None if self._file is None else _identity(self._file)
        self._shared: Connection | None = None

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
    def together(self) -> Iterator[None]:
        """Make one transaction of all that are opened meanwhile; only one thread may open any."""
        with self._transaction(write=True) as connection:
            self._shared = connection
            try:
                yield
            finally:
                self._shared = None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Open a session without transactions, as a lock of the database needs it."""
        with self.explained():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            yield connection

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the database raises into a `LedgerError`."""
        try:
            yield
        except (SQLAlchemyError, UnicodeError) as problem:
            raise explain(problem, where=self.where, hidden=self._hidden) from None

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        if self._shared is not None:
            with self.explained():
                yield self._shared
            return
        if write:
            self._require_same_file()
        with self.explained(), self.engine.connect() as raw:
            options = {} if not self.is_shared else _WRITING if write else _READING
            connection = raw.execution_options(write=write, **options)
            with connection.begin():
                yield connection

    def _require_same_file(self) -> None:
        """Refuse to write into a file that is no longer found by its name: it would be lost."""
        if self._file is not None and _identity(self._file) != self._identity:
            raise LedgerError(
                f"the ledger {self.where} was removed or replaced while it was in use",
                code="ledger-replaced",
                hint="look who cleans or restores its folder, then run apply again",
            )

    def close(self) -> None:
        """Give every connection back; the last one folds the write-ahead log into the file."""
        self.engine.dispose()


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _engine(location: Location, *, read_only: bool, limit_seconds: float) -> Engine:
    if location.url is None:
        assert location.file is not None  # noqa: S101 - a Location has one of the two
        return sqlite.engine_of(location.file, read_only=read_only, limit_seconds=limit_seconds)
    try:
        from reconciler.ledger import postgres  # noqa: PLC0415  its driver is an extra
    except ModuleNotFoundError:
        raise LedgerError(
            "the Python package `psycopg` is not installed",
            code="missing-extra",
            hint=_MISSING_EXTRA,
        ) from None
    return postgres.engine_of(location.url, limit_seconds=limit_seconds)
