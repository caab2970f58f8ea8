"""The one exception of this package, and the one function that maps the database's failures to it.

What the database says may hold a password or a row, so its words are left behind.
"""

from typing import ClassVar

from reconciler.errors import ReconcilerError


class LedgerError(ReconcilerError):
    """The ledger cannot be used; an apply stops before its first write unless told otherwise."""

    exit_code: ClassVar[int] = 4


class NoLedger(LedgerError):
    """Nothing was ever recorded here."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"there is no ledger at {where} yet",
            code="no-ledger",
            hint="the first apply makes it",
        )


def damaged() -> LedgerError:
    """Say that a row does not hold what was written into it."""
    return LedgerError(
        "the ledger holds a row that cannot be read",
        code="ledger-corrupt",
        hint="`reconcile history --verify` tells what was changed",
    )


_WITHOUT = "repair it, or run with --no-ledger and do without history, undo and fingerprints"
_SIGNS = (
    (
        ("malformed", "not a database", "file is encrypted"),
        ("ledger-corrupt", "is damaged", "move it away; the next apply starts a new one"),
    ),
    (("readonly", "read-only"), ("ledger-read-only", "cannot be written to", _WITHOUT)),
    (
        ("database is locked", "lock timeout", "statement timeout"),
        ("ledger-busy", "is in use by another process", "try again in a moment"),
    ),
    (("disk is full", "no space"), ("ledger-full", "has no room left", _WITHOUT)),
)


def explain(problem: Exception, *, where: str) -> LedgerError:
    """Say what is wrong with the ledger at `where`, a place without a password."""
    from sqlalchemy import exc  # noqa: PLC0415  loaded by whoever has this problem

    said = str(problem.orig).lower() if isinstance(problem, exc.DBAPIError) else ""
    for signs, (code, reason, hint) in _SIGNS:
        if any(sign in said for sign in signs):
            return LedgerError(f"the ledger {where} {reason}", code=code, hint=hint)
    if isinstance(problem, OSError):
        reason = f"cannot be opened: {problem.strerror or 'unknown reason'}"
        return LedgerError(f"the ledger {where} {reason}", code="ledger-unreachable", hint=_WITHOUT)
    if isinstance(problem, exc.OperationalError | exc.InterfaceError):
        reason = "cannot be opened"
        return LedgerError(f"the ledger {where} {reason}", code="ledger-unreachable", hint=_WITHOUT)
    reason = f"failed with {type(problem).__name__}"
    return LedgerError(f"the ledger {where} {reason}", code="ledger-failed", hint=_WITHOUT)
