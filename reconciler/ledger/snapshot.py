"""The part of the ledger that a command which only reads uses; a broken ledger never stops it."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.diagnostics import Diagnostic, warning
from reconciler.domain.state import LEDGER_UNREADABLE, LastAppliedState
from reconciler.ledger.errors import LedgerError, NoLedger
from reconciler.ledger.location import LIMIT_SECONDS, LedgerState, Location, TargetKey


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """The last-applied state of a target as far as it could be read.

    `organisations` are those that have answered under the target's name and host so far. `commits`
    are those of the newest finished runs, newest first.
    """

    state: LedgerState
    last_applied: LastAppliedState = LastAppliedState()
    organisations: frozenset[str] = frozenset()
    commits: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def read_snapshot(
    url: str | None,
    *,
    path: Path,
    pepper: str | None,
    key: TargetKey,
    on_runner: bool = False,
    limit_seconds: float = LIMIT_SECONDS,
) -> LedgerSnapshot:
    """Read the state of a target; a ledger that cannot be read is `unreachable`, not empty."""
    state = Location.of(url, default=path).state
    if state is LedgerState.FRESH:
        return LedgerSnapshot(state)
    from reconciler.ledger.store import open_ledger  # noqa: PLC0415  only where there is a ledger

    try:
        with open_ledger(
            url,
            path=path,
            pepper=pepper,
            read_only=True,
            on_runner=on_runner,
            limit_seconds=limit_seconds,
        ) as ledger:
            return LedgerSnapshot(
                state=ledger.state,
                last_applied=ledger.last_applied(key),
                organisations=ledger.organisations(key),
                commits=ledger.finished_commits(key),
                diagnostics=ledger.diagnostics,
            )
    # Whether a shared database contains a ledger is known only once it is open.
    except NoLedger:
        return LedgerSnapshot(state)
    except LedgerError as problem:
        summary = f"{problem.summary}; this run continues without it"
        found = warning(problem.code, summary, hint=problem.hint)
        gap = warning(LEDGER_UNREADABLE, problem.summary, hint=problem.hint)
        last_applied = LastAppliedState(unreadable=(gap,))
        return LedgerSnapshot(LedgerState.UNREACHABLE, last_applied, diagnostics=(found,))
