"""SQLite file of a ledger.

It uses a write-ahead log and full synchronisation, so committed data is on disk. A writing
transaction takes the write lock when it begins, so that concurrent processes wait for each other.
"""

import os
import secrets
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from reconciler.ledger.errors import LedgerError, incomplete
from reconciler.ledger.sqlite_snapshot import uri_of

BUSY_SECONDS = 5.0

_COMPILED: LRUCache[Any, Any] = LRUCache(500)
"""Compiled statements of all files. Compiling them takes a third of the CPU of a small apply."""


class LedgerDialect(SQLiteDialect_pysqlite):
    """Dialect of all ledger files, so that statements compiled for one file are reused for others.

    A process opens several: a new ledger before and after it gets its name, those of a fleet.
    """

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LedgerDialect)

    def __hash__(self) -> int:
        return hash(LedgerDialect)


registry.register("sqlite.ledger", __name__, LedgerDialect.__name__)


def engine_of(
    file: Path, *, read_only: bool, limit_seconds: float, is_unfinished: bool = False
) -> Engine:
    """Return an engine for an existing file; an unfinished one is synced with `sync`."""
    uri = uri_of(file, read_only=read_only)
    engine = create_engine(
        URL.create("sqlite+ledger", database=uri, query={"uri": "true"}),
        connect_args={"timeout": min(BUSY_SECONDS, limit_seconds), "isolation_level": None},
        execution_options={"compiled_cache": _COMPILED},
        hide_parameters=True,  # rows must not appear in messages
    )
    prepare = _prepare_reader if read_only else _prepare_writer
    event.listen(engine, "connect", _prepare_creator if is_unfinished else prepare)
    # `isolation_level` None leaves transactions to this listener instead of the driver.
    event.listen(engine, "begin", _begin)
    return engine


def require_usable(file: Path, *, read_only: bool) -> None:
    """Raise `OSError` for a file that cannot be opened, and `LedgerError` for an empty one.

    SQLite treats an empty file as a new database. No release leaves one behind, because
    `put_in_place` gives a ledger its name only when it is complete.
    """
    mode = os.O_RDONLY if read_only else os.O_RDWR
    # O_NONBLOCK keeps a FIFO from blocking the open.
    os.close(os.open(file, mode | os.O_NONBLOCK | os.O_CLOEXEC))
    if file.stat().st_size == 0:
        raise LedgerError(
            f"the ledger {file} is an empty file",
            code="ledger-empty",
            hint="restore it from a backup, or remove it: the next apply then starts a new one",
        )


def create_unfinished(file: Path) -> Path:
    """Create an empty file next to a future ledger, readable only by this user."""
    file.parent.mkdir(parents=True, exist_ok=True)
    path = file.with_name(f".{file.name}.{secrets.token_hex(8)}.new")
    # SQLite copies the mode of the database to its log files, so it must not follow the umask.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return path


def sync(file: Path) -> None:
    """Wait until the file of a closed ledger is on disk.

    Raises `LedgerError` if a part of it is still in its log: closing does not report a full disk.
    """
    log = file.with_name(file.name + "-wal")
    if log.exists() and log.stat().st_size > 0:
        raise incomplete("its write-ahead log was not merged into it")
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(unfinished: Path, file: Path) -> None:
    """Move a complete ledger to its name, unless another process has already created one."""
    try:
        # A link fails if the name is taken; a rename would replace the other process's ledger.
        os.link(unfinished, file)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not file.exists():
            unfinished.rename(file)


def remove_unfinished(unfinished: Path) -> None:
    """Remove what is left of a ledger that was put in place, or could not be created."""
    # On a full disk, SQLite leaves its log files behind.
    for suffix in ("", "-wal", "-shm"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)


def _prepare_creator(connection: sqlite3.Connection, _: object) -> None:
    # A file under its final name would need a sync for each step; this one is synced once.
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA journal_mode=WAL")


def _prepare_writer(connection: sqlite3.Connection, _: object) -> None:
    # Commands that only read continue while a run writes.
    connection.execute("PRAGMA journal_mode=WAL")
    # With NORMAL, a power failure loses the newest commits in WAL mode, but an announced call must
    # be on disk before it is sent.
    connection.execute("PRAGMA synchronous=FULL")
    # SQLite checks foreign keys only on connections that enable it.
    connection.execute("PRAGMA foreign_keys=ON")


def _prepare_reader(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    # A deferred transaction that reads and then writes fails at once if another process wrote in
    # between; an immediate one waits for its turn before it reads.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
