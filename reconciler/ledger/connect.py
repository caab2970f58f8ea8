"""How the database of a ledger is opened: a SQLite file or PostgreSQL by URL.

SQLite runs with a write-ahead log and full synchronisation: what is committed is on disk. A writing
transaction takes the write lock at its begin, so that two processes wait for each other.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from reconciler.ledger.errors import LedgerError, explain
from reconciler.ledger.location import Location

PATIENCE_SECONDS = 5


class Database:
    """An open database and its two kinds of transactions; failures come out as `LedgerError`."""

    def __init__(self, location: Location, *, read_only: bool) -> None:
        self.where = location.where
        self.is_shared = location.file is None
        self.engine = _engine(location, read_only=read_only)
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
        """Turn what the database raises into a `LedgerError` that carries none of its words."""
        try:
            yield
        except SQLAlchemyError as problem:
            raise explain(problem, where=self.where) from None

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        if self._shared is not None:
            with self.explained():
                yield self._shared
            return
        with self.explained(), self.engine.connect() as raw:
            connection = raw.execution_options(write=write)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Give every connection back; the last one folds the write-ahead log into the file."""
        self.engine.dispose()


def _engine(location: Location, *, read_only: bool) -> Engine:
    if location.url is not None:
        return _postgres(location.url)
    assert location.file is not None  # noqa: S101 - a Location has one of the two
    try:
        return _sqlite(location.file, read_only=read_only)
    except OSError as problem:
        raise explain(problem, where=location.where) from None


def _postgres(url: URL) -> Engine:
    arguments = {"connect_timeout": PATIENCE_SECONDS, "application_name": "reconcile"}
    try:
        return create_engine(url, connect_args=arguments, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise LedgerError(
            "the Python package `psycopg` is not installed",
            code="missing-extra",
            hint="pip install 'portkey-reconciler[postgres]'",
        ) from None


def _sqlite(file: Path, *, read_only: bool) -> Engine:
    if read_only:
        source = f"file:{_quoted(file)}?mode=ro{_immutable(file)}"
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its log files the mode of the database, which must not follow the umask.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        source = f"file:{_quoted(file)}?mode=rw"
    engine = create_engine(
        URL.create("sqlite", database=source, query={"uri": "true"}),
        connect_args={"timeout": PATIENCE_SECONDS, "isolation_level": None},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_reader if read_only else _prepare_writer)
    event.listen(engine, "begin", _begin)
    return engine


def _quoted(file: Path) -> str:
    text = str(file.absolute())
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _immutable(file: Path) -> str:
    """Help SQLite where it may not even create its shared memory: nothing can change there."""
    pending = file.with_name(file.name + "-wal").exists()
    return "" if pending or os.access(file.parent, os.W_OK) else "&immutable=1"


def _prepare_writer(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _prepare_reader(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
