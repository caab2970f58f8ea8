"""One run at a time on a target: a locked file on this machine, or a lock in a shared ledger.

The shards of a run share a target's lock, and each has one of its own besides. That they are cut
alike is up to whoever starts them.

The operating system or the database lets go of a lock when its holder dies, so no lock is ever
stale; what is written beside it only tells who holds it.
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
from reconciler.domain.rejection import Refused
from reconciler.ledger.database import Database
from reconciler.ledger.errors import LedgerError, LockLost, explain
from reconciler.ledger.models import Holder, TargetKey
from reconciler.ledger.tables import holders

_NEVER_IDLE = """
    SELECT set_config('idle_session_timeout', '0', false)
    WHERE current_setting('idle_session_timeout', true) IS NOT NULL
"""
_HELD_HERE = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
"""


Check = Callable[[], None]
"""Raises `LockLost` once a lock is no longer held."""


@contextmanager
def file_lock(folder: Path, key: TargetKey, holder: Holder) -> Iterator[Check]:
    """Hold the lock of a target on this machine, or refuse with `locked`."""
    with ExitStack() as held:
        paths = {}
        if holder.shard is not None:
            path = folder / f"{_name(key)}.lock"
            paths[path] = held.enter_context(_opened(path))
            _lock(paths[path], fcntl.LOCK_SH, key)
        path = folder / f"{_name(key, holder.shard)}.lock"
        paths[path] = stream = held.enter_context(_opened(path))
        _lock(stream, fcntl.LOCK_EX, key)
        # The file stays: removing it would let two runs lock two files of one name.
        with _explained(path):
            stream.truncate(0)
            stream.write(json.dumps(asdict(holder)))
            stream.flush()

        def check() -> None:
            if not all(_is_at(stream, path) for path, stream in paths.items()):
                raise LockLost(key.name, "its file was removed")

        yield check
        with suppress(OSError):  # the lock is let go of either way
            stream.seek(0)
            stream.truncate(0)


@contextmanager
def shared_lock(database: Database, key: TargetKey, holder: Holder) -> Iterator[Check]:
    """Hold the lock of a target in the shared ledger, or refuse with `locked`.

    It lives as long as one database session, so a pooler has to pool sessions, not transactions.
    """
    with database.session() as session, ExitStack() as held:
        names: list[str] = []

        def take(name: str, *, together: bool = False) -> None:
            with database.explained():
                held_by = _take(session, name, holder, together=together)
            if held_by is not None:
                raise _refusal(key, held_by)
            names.append(name)
            held.callback(_release, session, name, together=together)

        def check() -> None:
            try:
                with database.explained():
                    count = session.scalar(text(_HELD_HERE))
            except LedgerError as problem:
                raise LockLost(key.name, problem.summary) from None
            if count != len(names):
                raise LockLost(key.name, "the database let go of it")

        with database.explained():
            session.execute(text(_NEVER_IDLE))
        if holder.shard is not None:
            take(_name(key), together=True)
        take(_name(key, holder.shard))
        yield check


def _opened(path: Path) -> IO[str]:
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+", encoding="utf-8")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise explain(problem, where=str(path)) from None


def _is_at(stream: IO[str], path: Path) -> bool:
    """Return whether an open file is still the one that others would lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _lock(stream: IO[str], how: int, key: TargetKey) -> None:
    try:
        fcntl.flock(stream, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(key, stream.read()) from None


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _take(session: Connection, name: str, holder: Holder, *, together: bool) -> str | None:
    """Take the lock, alone or together with others, or tell what its holder said of itself."""
    lock = func.pg_try_advisory_lock_shared if together else func.pg_try_advisory_lock
    if not session.scalar(select(lock(_number(name)))):
        return session.scalar(select(holders.c.document).where(holders.c.lock == name)) or ""
    if together:
        return None
    session.execute(delete(holders).where(holders.c.lock == name))
    session.execute(insert(holders).values(lock=name, document=json.dumps(asdict(holder))))
    return None


def _release(session: Connection, name: str, *, together: bool) -> None:
    """Let go; a connection that was lost on the way has let go already."""
    unlock = func.pg_advisory_unlock_shared if together else func.pg_advisory_unlock
    try:
        if not together:
            session.execute(delete(holders).where(holders.c.lock == name))
        session.scalar(select(unlock(_number(name))))
    except SQLAlchemyError:
        session.invalidate()


def _name(key: TargetKey, shard: str | None = None) -> str:
    """Name the lock by name and host alone: the organisation is learned only while it is held."""
    readable = "".join(c if c.isalnum() else "-" for c in key.name)[:40] or "target"
    part = f"-{shard.replace('/', '-of-')}" if shard is not None else ""
    return f"{readable}-{hashlib.sha256(f'{key.name} {key.host}'.encode()).hexdigest()[:12]}{part}"


def _refusal(key: TargetKey, document: str) -> Refused:
    summary = f"another run holds the lock of target {key.name}{_described(document)}"
    hint = "wait for it to end; a run that died holds nothing"
    return Refused([error("locked", summary, hint=hint)])


def _described(document: str) -> str:
    try:
        holder = Holder(**json.loads(document))
    except (ValueError, TypeError):
        return ""  # caught between locking and writing
    who = f", by {holder.actor}" if holder.actor else ""
    run = f", run {holder.run}" if holder.run else ""
    return f": process {holder.pid} on {holder.host} since {holder.since}{who}{run}"
