"""Look at the ledger: can it be read, was it changed, does it know this organisation?"""

from collections.abc import Callable

from reconciler.diagnostics import counted
from reconciler.doctor.checks import Check, fail, ok, warn
from reconciler.ledger.errors import BUSY, LedgerError, NoLedger
from reconciler.ledger.location import LedgerState
from reconciler.ledger.models import TargetKey
from reconciler.ledger.store import Ledger


def ledger_check(
    open_it: Callable[[], Ledger],
    try_it: Callable[[], None],
    *,
    state: LedgerState,
    key: TargetKey,
    organisation: str | None,
    on_runner: bool,
) -> Check:
    """Look at the ledger without making one, and try whether a run could be recorded there.

    `on_runner` tells that this machine soon forgets.
    """
    share = "set RECONCILE_LEDGER_URL to a PostgreSQL database that every job can reach"
    if on_runner and state is not LedgerState.SHARED:
        return warn("ledger", "it lies on a CI runner, which forgets it after the job", share)
    try:
        with open_it() as ledger:
            found = _opened(ledger, state=state, key=key, organisation=organisation)
    except NoLedger:
        found = ok("ledger", "there is none yet; the first apply makes it")
    except LedgerError as problem:
        return fail("ledger", problem.summary, problem.hint)
    try:
        try_it()
    except LedgerError as problem:
        if problem.code != BUSY:  # a run is writing to it, so it can be written to
            return fail("ledger", problem.summary, problem.hint)
    return found


def _opened(
    ledger: Ledger, *, state: LedgerState, key: TargetKey, organisation: str | None
) -> Check:
    altered = ledger.verify()
    if altered:
        return fail("ledger", altered[0].summary, "`reconcile history --verify` names every run")
    known = ledger.organisations(key)
    if organisation is not None and known and organisation not in known:
        return fail(
            "ledger",
            f"the API answers as organisation {organisation}, and it was "
            f"{', '.join(sorted(known))} before",
            "check the key and the base URL, or give the target another name",
        )
    for remark in ledger.diagnostics:
        return warn("ledger", remark.summary, remark.hint)
    runs = counted(ledger.count(key=key), "run")
    return ok("ledger", f"{state} at {ledger.where}, {runs} on this target, none altered")
