"""One run at a time on a target: a locked file on this machine, or a lock in a shared ledger.

The operating system or the database lets go of a lock when its holder dies, so no lock is ever
stale; what is written beside it only tells who holds it.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from reconciler.diagnostics import error
from reconciler.domain.rejection import Refused
from reconciler.ledger.connect import Database
from reconciler.ledger.entries import Holder, TargetKey
from reconciler.ledger.errors import explain
from reconciler.ledger.tables import holders


@contextmanager
def file_lock(folder: Path, key: TargetKey, holder: Holder) -> Iterator[None]:
    """Hold the lock of a target on this machine, or refuse with `locked`."""
    path = folder / f"{_name(key)}.lock"
    with _opened(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(key, stream.read()) from None
        # The file stays: removing it would let two runs lock two files of one name.
        stream.truncate(0)
        stream.write(json.dumps(asdict(holder)))
        stream.flush()
        yield
        stream.seek(0)
        stream.truncate(0)


@contextmanager
def shared_lock(database: Database, key: TargetKey, holder: Holder) -> Iterator[None]:
    """Hold the lock of a target in the shared ledger, or refuse with `locked`.

    It lives as long as one database session, so a pooler has to pool sessions, not transactions.
    """
    name = _name(key)
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with database.session() as session:
        with database.explained():
            held_by = _take(session, name, number, holder)
        if held_by is not None:
            raise _refusal(key, held_by)
        try:
            yield
        finally:
            _release(session, name, number)


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise explain(problem, where=str(path)) from None
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _take(session: Connection, name: str, number: int, holder: Holder) -> str | None:
    """Take the lock, or tell what its holder said of itself."""
    if not session.scalar(select(func.pg_try_advisory_lock(number))):
        return session.scalar(select(holders.c.document).where(holders.c.lock == name)) or ""
    session.execute(delete(holders).where(holders.c.lock == name))
    session.execute(insert(holders).values(lock=name, document=json.dumps(asdict(holder))))
    return None


def _release(session: Connection, name: str, number: int) -> None:
    """Let go; a connection that was lost on the way has let go already."""
    try:
        session.execute(delete(holders).where(holders.c.lock == name))
        session.scalar(select(func.pg_advisory_unlock(number)))
    except SQLAlchemyError:
        session.invalidate()


def _name(key: TargetKey) -> str:
    """Name the lock by name and host alone: the organisation is learned only while it is held."""
    readable = "".join(c if c.isalnum() else "-" for c in key.name)[:40] or "target"
    return f"{readable}-{hashlib.sha256(f'{key.name} {key.host}'.encode()).hexdigest()[:12]}"


def _refusal(key: TargetKey, text: str) -> Refused:
    summary = f"another run holds the lock of target {key.name}{_described(text)}"
    hint = "wait for it to end; a run that died holds nothing"
    return Refused([error("locked", summary, hint=hint)])


def _described(text: str) -> str:
    try:
        holder = Holder(**json.loads(text))
    except (ValueError, TypeError):
        return ""  # caught between locking and writing
    who = f", by {holder.actor}" if holder.actor else ""
    run = f", run {holder.run}" if holder.run else ""
    return f": process {holder.pid} on {holder.host} since {holder.since}{who}{run}"
