"""Checks and their results, and the check of the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.diagnostics import counted
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.errors import BUSY, LedgerError, NoLedger
from reconciler.ledger.location import LedgerState
from reconciler.planning.plan import PlanTarget

if TYPE_CHECKING:
    from reconciler.ledger.location import TargetKey
    from reconciler.ledger.store import Ledger


class CheckStatus(StrEnum):
    """Result of a check; only `fail` would stop a run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check; `hint` is the next step unless the status is `ok`."""

    name: str
    status: CheckStatus
    summary: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "status": self.status.value,
            "summary": self.summary,
            "hint": self.hint,
        }


def ok(name: str, summary: str) -> Check:
    """Build the result of a check without a problem."""
    return Check(name, CheckStatus.OK, summary)


def warn(name: str, summary: str, hint: str) -> Check:
    """Build the result of a check whose problem does not stop a run."""
    return Check(name, CheckStatus.WARN, summary, hint)


def fail(name: str, summary: str, hint: str) -> Check:
    """Build the result of a check whose problem would stop a run."""
    return Check(name, CheckStatus.FAIL, summary, hint)


@dataclass(frozen=True, slots=True)
class Health:
    """All checks of a run of `doctor`, and the answers of this probe or of an earlier one.

    `target` is None if the configuration has none.
    """

    checks: tuple[Check, ...]
    target: PlanTarget | None = None
    answers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_fit(self) -> bool:
        """Whether no check failed."""
        return not any(check.status is CheckStatus.FAIL for check in self.checks)

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "format_version": "1",
            "kind": "doctor",
            "target": self.target.as_json() if self.target else None,
            "ok": self.is_fit,
            "checks": [check.as_json() for check in self.checks],
            "answers": dict(self.answers),
        }


def ledger_check(
    open_ledger: "Callable[[], Ledger]",
    try_write: Callable[[], None],
    *,
    state: LedgerState,
    key: "TargetKey",
    organisation: str | None,
    on_runner: bool,
) -> Check:
    """Check that the ledger is readable, unaltered and writable, without creating one.

    `on_runner` is true on a CI runner, which discards its files after the job.
    """
    if on_runner and state is not LedgerState.SHARED:
        return warn(
            "ledger",
            "the ledger is a file on a CI runner, which discards it after the job",
            "set RECONCILE_LEDGER_URL to a PostgreSQL database that every job can reach",
        )
    try:
        with open_ledger() as ledger:
            check = _check_records(ledger, state=state, key=key, organisation=organisation)
    except NoLedger:
        check = ok("ledger", "there is none yet; the first apply creates it")
    except LedgerError as problem:
        return fail("ledger", problem.summary, problem.hint)
    try:
        try_write()
    except LedgerError as problem:
        # A busy ledger is not a problem: a run is writing to it, so it is writable.
        if problem.code != BUSY:
            return fail("ledger", problem.summary, problem.hint)
    return check


def _check_records(
    ledger: "Ledger", *, state: LedgerState, key: "TargetKey", organisation: str | None
) -> Check:
    # Before anything is read from it: counts of an altered ledger prove nothing.
    altered = ledger.verify()
    if altered:
        hint = "run `reconcile history --verify`, which lists every altered run"
        return fail("ledger", altered[0].summary, hint)
    known = ledger.organisations(key)
    # An empty list has no organisation, and the ledger has none for a new target.
    if organisation is not None and known and organisation not in known:
        return fail(
            "ledger",
            f"the API answers as organisation {organisation}, and earlier runs of this target "
            f"were in {', '.join(sorted(known))}",
            "check the key and the base URL, or give the target another name",
        )
    if ledger.diagnostics:
        first = ledger.diagnostics[0]
        return warn("ledger", first.summary, first.hint)
    runs = counted(ledger.count(key=key), "run")
    return ok("ledger", f"{state} at {ledger.where}, {runs} on this target, none altered")
