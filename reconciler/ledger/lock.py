"""Lock of a target: a locked file on this machine, or an advisory lock in a shared ledger.

The shards of a run share the lock of their target, and each also holds a separate one; the caller
must divide the target in the same way for all of them.

The operating system or the database releases a lock when its holder dies, so no lock is ever stale;
the document stored next to it only names the holder.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, delete, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from reconciler.diagnostics import error
from reconciler.errors import Refused
from reconciler.ledger.database import Database
from reconciler.ledger.errors import LedgerError, LockLost, explain
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import Holder
from reconciler.ledger.tables import holders

# A session that only holds a lock is idle, and a server can end it. The setting does not exist
# before PostgreSQL 14.
_NEVER_IDLE = """
    SELECT set_config('idle_session_timeout', '0', false)
    WHERE current_setting('idle_session_timeout', true) IS NOT NULL
"""
_HELD_HERE = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
"""


Check = Callable[[], None]
"""Raises `LockLost` when the lock is no longer held."""


@contextmanager
def file_lock(folder: Path, key: TargetKey, holder: Holder) -> Iterator[Check]:
    """Hold the lock of a target on this machine, or refuse with `locked`."""
    with ExitStack() as held:
        streams: dict[Path, IO[str]] = {}
        if holder.shard is not None:
            path = folder / f"{_name(key)}.lock"
            streams[path] = held.enter_context(_open(path))
            # Shards share this lock, and a run of the whole target takes it exclusively.
            _lock(streams[path], fcntl.LOCK_SH, key)
        path = folder / f"{_name(key, holder.shard)}.lock"
        streams[path] = stream = held.enter_context(_open(path))
        _lock(stream, fcntl.LOCK_EX, key)
        # The file is never removed, or two runs could lock two files with the same name.
        with _explained(path):
            stream.truncate(0)
            # Not buffered: on a full disk, closing would raise the error once more, unexplained.
            os.pwrite(stream.fileno(), json.dumps(asdict(holder)).encode(), 0)

        def check() -> None:
            if not all(_is_at(stream, path) for path, stream in streams.items()):
                raise LockLost(key.name, "its file was removed")

        yield check
        with suppress(OSError):  # the lock is released either way
            # The next holder may not have written yet, and must not be shown as this run.
            stream.seek(0)
            stream.truncate(0)


@contextmanager
def shared_lock(database: Database, key: TargetKey, holder: Holder) -> Iterator[Check]:
    """Hold the lock of a target in the shared ledger, or refuse with `locked`.

    It lasts as long as a database session, so a pooler must pool sessions, not transactions.
    """
    with database.session() as session, ExitStack() as held:
        names: list[str] = []

        def acquire(name: str, *, shared: bool = False) -> None:
            with database.explained():
                held_by = _acquire(session, name, holder, shared=shared)
            if held_by is not None:
                raise _refusal(key, held_by)
            names.append(name)
            held.callback(_release, session, name, shared=shared)

        def check() -> None:
            try:
                with database.explained():
                    count = session.scalar(text(_HELD_HERE))
            except LedgerError as problem:
                raise LockLost(key.name, problem.summary) from None
            # A session that a pooler or the server replaced does not hold the locks.
            if count != len(names):
                raise LockLost(key.name, "the database released it")

        with database.explained():
            session.execute(text(_NEVER_IDLE))
        if holder.shard is not None:
            # As in `file_lock`: shared among shards, exclusive for a run of the whole target.
            acquire(_name(key), shared=True)
        acquire(_name(key, holder.shard))
        yield check


def is_file_lock_held(folder: Path, key: TargetKey) -> bool:
    """Return whether another process holds the lock of a target, or of one of its shards."""
    try:
        # Never created here, because commands that only read must not leave a file behind.
        with (folder / f"{_name(key)}.lock").open("rb") as stream:
            try:
                # Released at once, when the file is closed.
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except OSError:
        return False  # no run has locked the target on this machine
    return False


def is_shared_lock_held(database: Database, key: TargetKey) -> bool:
    """Return whether another session holds the lock of a target, or of one of its shards."""
    number = _number(_name(key))
    with database.session() as session, database.explained():
        if not session.scalar(select(func.pg_try_advisory_lock(number))):
            return True
        session.scalar(select(func.pg_advisory_unlock(number)))
    return False


def _open(path: Path) -> IO[str]:
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without O_TRUNC: the file may name the run that holds the lock.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+", encoding="utf-8")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise explain(problem, where=str(path)) from None


def _is_at(stream: IO[str], path: Path) -> bool:
    """Return whether an open file is still the one that other processes would lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _lock(stream: IO[str], how: int, key: TargetKey) -> None:
    try:
        fcntl.flock(stream, how | fcntl.LOCK_NB)
    except BlockingIOError:
        # Without waiting: a plan that was made while another run wrote would be out of date.
        raise _refusal(key, stream.read()) from None


def _number(name: str) -> int:
    # Advisory locks are named by a signed 64-bit integer.
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _acquire(session: Connection, name: str, holder: Holder, *, shared: bool) -> str | None:
    """Acquire a lock, or return the document of its holder, empty if it is unknown."""
    lock = func.pg_try_advisory_lock_shared if shared else func.pg_try_advisory_lock
    if not session.scalar(select(lock(_number(name)))):
        return session.scalar(select(holders.c.document).where(holders.c.lock == name)) or ""
    # A shard also holds a separate lock, whose row names it.
    if shared:
        return None
    # The row of a holder remains after it has died, but its lock does not.
    session.execute(delete(holders).where(holders.c.lock == name))
    session.execute(insert(holders).values(lock=name, document=json.dumps(asdict(holder))))
    return None


def _release(session: Connection, name: str, *, shared: bool) -> None:
    """Release a lock; a lost connection has already released it."""
    unlock = func.pg_advisory_unlock_shared if shared else func.pg_advisory_unlock
    try:
        if not shared:
            session.execute(delete(holders).where(holders.c.lock == name))
        session.scalar(select(unlock(_number(name))))
    except SQLAlchemyError:
        # A session that returned to the pool would keep the lock.
        session.invalidate()


def _name(key: TargetKey, shard: str | None = None) -> str:
    """Return the name of a lock.

    The organisation is not part of it, because it becomes known only while the lock is held.
    """
    # Two names can become equal here; the hash distinguishes them.
    readable = "".join(c if c.isalnum() else "-" for c in key.name)[:40] or "target"
    part = f"-{shard.replace('/', '-of-')}" if shard is not None else ""
    return f"{readable}-{hashlib.sha256(f'{key.name} {key.host}'.encode()).hexdigest()[:12]}{part}"


def _refusal(key: TargetKey, document: str) -> Refused:
    summary = f"another run holds the lock of target {key.name}{_described(document)}"
    hint = "wait for it to end; a run that died holds no lock"
    return Refused([error("locked", summary, hint=hint)])


def _described(document: str) -> str:
    try:
        holder = Holder(**json.loads(document))
    except (ValueError, TypeError, RecursionError):
        return ""  # the holder has locked the file but not written to it yet
    who = f", by {holder.actor}" if holder.actor else ""
    run = f", run {holder.run}" if holder.run else ""
    return f": process {holder.pid} on {holder.host} since {holder.since}{who}{run}"
