"""The exception of this package, and the function that maps failures of a database to it.

The first line of a server's message is part of the error, because "permission denied for schema
public" is what a user needs. Later lines may show a row and are dropped; passwords are masked.
"""

import re
from collections.abc import Collection, Sequence
from typing import ClassVar

from reconciler.errors import ReconcilerError, write_hint

BUSY = "ledger-busy"

_MESSAGE_LENGTH = 300


class LedgerError(ReconcilerError):
    """The ledger cannot be used; without --no-ledger, an apply stops before its first write."""

    exit_code: ClassVar[int] = 4


class NoLedger(LedgerError):
    """There is no ledger: no run has been recorded yet."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"there is no ledger at {where} yet",
            code="no-ledger",
            hint="the first apply creates it",
        )


class LockLost(LedgerError):
    """The lock of a target is no longer held, so another run may have started."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(
            f"the lock of target {target} was lost: {reason}",
            code="lock-lost",
            hint="run apply again: it reads first and makes only the remaining changes",
        )


def damaged() -> LedgerError:
    """Return the error for a row that cannot be parsed."""
    return LedgerError(
        "the ledger contains a row that cannot be read",
        code="ledger-corrupt",
        hint="run `reconcile history --verify` to see what was changed",
    )


def incomplete(reason: str) -> LedgerError:
    """Return the error for a ledger without a part that its version requires."""
    return LedgerError(
        f"the ledger is damaged: {reason}",
        code="ledger-corrupt",
        hint=_RESTORE,
    )


def not_created(problem: LedgerError, *, where: str) -> LedgerError:
    """Return the error for a new ledger, of which no backup can exist."""
    if problem.code != _CORRUPT[0]:
        return problem
    return LedgerError(
        f"the ledger {where} cannot be created: the disk reports an error",
        code=_UNREACHABLE[0],
        hint=f"check the disk and its free space, {_OR_WITHOUT}",
    )


_OR_WITHOUT = "or apply with --no-ledger: without history, undo and fingerprints"
_WITHOUT = f"repair it, {_OR_WITHOUT}"
_READABLE = "make the ledger readable; until then nothing is deleted"
_RESTORE = "restore it from a backup, or move it away: the next apply then starts a new one"
_AGAIN = "try again in a moment"

_Kind = tuple[str, str, str]
"""Code, reason and hint; without a hint, the general one applies."""

_CORRUPT: _Kind = ("ledger-corrupt", "is damaged", _RESTORE)
_READ_ONLY: _Kind = ("ledger-read-only", "cannot be written to", "")
_BUSY: _Kind = (BUSY, "is in use by another process", _AGAIN)
_FULL: _Kind = ("ledger-full", "has no space left", "free some space on its disk")
_DENIED: _Kind = ("ledger-denied", "cannot be used by this role", "")
_UNREACHABLE: _Kind = ("ledger-unreachable", "cannot be opened", "")
_TIMEOUT: _Kind = ("ledger-timeout", "did not respond in time", "")

_BY_STATE: dict[str, _Kind] = {
    "42501": _DENIED,
    "3F000": _DENIED,  # PostgreSQL's response if the role may not use any schema
    "42P01": _CORRUPT,
    "42703": _CORRUPT,
    "25006": _READ_ONLY,
    "53100": _FULL,
    "55P03": _BUSY,
    "57014": _BUSY,
    "40001": _BUSY,
    "40P01": _BUSY,
    "22P05": (
        "ledger-encoding",
        "has an encoding that cannot store a string",
        "use a UTF8 database",
    ),
}
"""By SQLSTATE of PostgreSQL, which is the same in every language."""

_BY_TEXT: Sequence[tuple[tuple[str, ...], _Kind]] = (
    (
        ("malformed", "not a database", "file is encrypted", "no such table", "no such column"),
        _CORRUPT,
    ),
    (("has no column named", "disk i/o error"), _CORRUPT),
    (("readonly", "read-only"), _READ_ONLY),
    (("database is locked", "lock timeout"), _BUSY),
    (("disk is full", "no space"), _FULL),
    (("no response within",), _TIMEOUT),
)

_DENIED_FOR = re.compile(r'permission denied for (\w+) "?([^"\s]+)"?')
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


def explain(
    problem: Exception, *, where: str, hidden: Collection[str] = (), read_only: bool = False
) -> LedgerError:
    """Return the error for a failure of the ledger at `where`, a location without a password.

    `hidden` are strings that the error must not repeat. Only an apply, which is not `read_only`,
    has an option to run without a ledger.
    """
    general = _READABLE if read_only else _WITHOUT
    if isinstance(problem, OSError):
        reason = f"cannot be opened: {problem.strerror or 'unknown reason'}"
        if not read_only:
            general = f"{write_hint(problem)}, {_OR_WITHOUT}"
        return LedgerError(f"the ledger {where} {reason}", code="ledger-unreachable", hint=general)
    if isinstance(problem, UnicodeError):
        reason = "cannot store a string: it is not valid Unicode, or the database is not UTF8"
        return LedgerError(f"the ledger {where} {reason}", code="ledger-encoding", hint=general)
    code, reason, hint = _kind(problem)
    cause = getattr(problem, "orig", None)
    message = _first_line(cause, hidden)
    return LedgerError(
        f"the ledger {where} {reason}{': ' if message else ''}{message}",
        code=code,
        hint=_grant_hint(message, cause) or hint or general,
    )


def _kind(problem: Exception) -> _Kind:
    from sqlalchemy import exc  # noqa: PLC0415  loaded only when a database failed

    cause = getattr(problem, "orig", None)
    by_state = _BY_STATE.get(getattr(cause, "sqlstate", None) or "")
    if by_state is not None:
        return by_state
    # SQLite has no such states, and psycopg has none if the server was not reached.
    text = str(cause).lower() if cause is not None else ""
    for phrases, kind in _BY_TEXT:
        if any(phrase in text for phrase in phrases):
            return kind
    if isinstance(problem, exc.OperationalError | exc.InterfaceError):
        return _UNREACHABLE
    return "ledger-failed", f"failed with {type(problem).__name__}", ""


def _first_line(cause: object, hidden: Collection[str]) -> str:
    """Return the first line of the database's message, without secrets and rows."""
    if cause is None:
        return ""
    # The primary message leaves out DETAIL, in which PostgreSQL quotes values of the row.
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    lines = (primary or str(cause)).strip().splitlines()
    text = " ".join(lines[0].split())[:_MESSAGE_LENGTH] if lines else ""
    # Longest first, because one secret may contain another.
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _grant_hint(message: str, cause: object) -> str:
    """Return a hint with the missing GRANT, or an empty string for any other problem."""
    role = _role(cause)
    if "no schema has been selected" in message:
        return f"as the owner of the schema, run: GRANT USAGE, CREATE ON SCHEMA public TO {role}"
    found = _DENIED_FOR.search(message)
    if found is None:
        return ""
    kind, name = found[1], _quoted(found[2])
    rights = {
        "schema": f"USAGE, CREATE ON SCHEMA {name}",
        "database": f"CONNECT ON DATABASE {name}",
        "sequence": f"USAGE ON SEQUENCE {name}",
    }.get(kind, f"SELECT, INSERT, UPDATE, DELETE ON {name}")
    return f"as the owner of the {kind}, run: GRANT {rights} TO {role}"


def _role(cause: object) -> str:
    """Return the role that was refused, which `reconciler.ledger.postgres` adds as a note."""
    notes = getattr(cause, "__notes__", ())
    return _quoted(notes[0]) if notes else "the role of the URL"


def _quoted(name: str) -> str:
    """Return a name quoted for SQL."""
    doubled = name.replace('"', '""')
    return name if _PLAIN_NAME.fullmatch(name) else f'"{doubled}"'
