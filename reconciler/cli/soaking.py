"""Soak times in the ledger: content that is in use at the source of a target, and its checks.

Loaded only for targets with a promotion, and for their sources.
"""

from collections.abc import Callable

from reconciler.cli import settings
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import (
    LedgerAccess,
    key_of,
    key_of_planned,
    ledger_access_of,
)
from reconciler.cli.settings import Settings
from reconciler.desired.load import load_config
from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.domain.instants import parse_instant
from reconciler.domain.policy import Target
from reconciler.domain.state import DesiredState, LastApplied
from reconciler.execution.soak_check import of_drift
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import LedgerState
from reconciler.ledger.soak_record import SoakCheck, SoakEntry, content_of
from reconciler.planning.plan import Plan, PlanTarget, Selection
from reconciler.planning.soak_guard import Soaked, SoakEvidence
from reconciler.pull.parity import expected_differences


def evidence_for(invocation: Invocation, environment: Settings, target: Target) -> SoakEvidence:
    """Return what the ledger has recorded about the source of a target's promotion."""
    promotion = target.promotion
    config, found = load_config(invocation.dir)
    if promotion is None or config is None or has_errors(found):
        return SoakEvidence(problem="reconcile.yaml cannot be read")
    source, expected = config.targets[promotion.source], expected_differences(config)
    access = ledger_access_of(invocation, environment)
    if access.state is LedgerState.FRESH:
        return SoakEvidence(expected=expected, problem="there is no ledger")
    try:
        with access.open(read_only=True) as ledger:
            key = key_of(source)
            entries = ledger.soak_entries(key)
            applied = ledger.last_applied(key).integrations
    except LedgerError as problem:
        return SoakEvidence(expected=expected, problem=problem.summary)
    soaked = {slug: _soaked(entry, applied.get(slug)) for slug, entry in entries.items()}
    return SoakEvidence({s: item for s, item in soaked.items() if item is not None}, expected)


def record_drift(
    invocation: Invocation,
    plan: Plan,
    desired: DesiredState,
    selection: Selection,
    *,
    has_read: Callable[[str], bool],
) -> tuple[Diagnostic, ...]:
    """Record a drift check with this plan; a failure is a warning."""
    access = ledger_access_of(invocation, invocation.environment or settings.from_environment())
    # A command that only reads creates no ledger; without a ledger, nothing was applied either.
    if access.state is LedgerState.FRESH:
        return ()
    check = of_drift(plan, desired, selection, has_read=has_read)
    return _record(access, plan.target, check)


def _record(access: LedgerAccess, target: PlanTarget, check: SoakCheck) -> tuple[Diagnostic, ...]:
    key = key_of_planned(target)
    now = settings.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    return access.store(
        lambda ledger: ledger.record_soak(key, check, now=now),
        if_lost="this check does not count for promotions",
    )


def _soaked(entry: SoakEntry, applied: LastApplied | None) -> Soaked | None:
    """Return what an entry proves; None if it does not describe what was last applied."""
    since, checked = parse_instant(entry.since), parse_instant(entry.checked)
    fields = applied.declared if applied is not None else None
    content = None if fields is None else content_of(fields)
    if since is None or checked is None or content != entry.content:
        return None
    return Soaked(fields, since, checked)
