"""Guard for budgets: `limits.budget_total` and `limits.budget_increase` of a target.

It blocks only actions that raise a budget, so that budgets can still be lowered on a target over
its limit. Access without a budget, whether it is granted or the budget is removed, is an unlimited
increase.

The total is that of the whole target, and is the same for all shards. The increase is that of the
selected integrations: if no shard exceeds it, the whole run does not either.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from reconciler.diagnostics import error, named
from reconciler.domain.policy import Limits
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action
from reconciler.planning.costs import (
    COST,
    NEVER,
    Budget,
    BudgetChange,
    BudgetTotal,
    grouped,
    period_text,
)
from reconciler.planning.guards import GuardViolation

BUDGET_EXCEEDED = "budget-exceeded"
_SHOWN = 5
_MONTH_DAYS = (28, 31)


@dataclass(frozen=True, slots=True)
class BudgetEvidence:
    """Input of the guard: the changes of all workspaces, and the sums that change.

    `before` are the sums of the budgets that the selected integrations have, by unit and period.
    """

    target: str
    changes: Sequence[BudgetChange]
    totals: Sequence[BudgetTotal]
    before: Mapping[tuple[str, str], Decimal]


def check_budgets(
    actions: Collection[Action], evidence: BudgetEvidence, limits: Limits
) -> GuardViolation | None:
    """Return the violation of the limits, None if there is none."""
    raised = [change for change in evidence.changes if is_raised(change.before, change.after)]
    if not raised:
        return None
    reasons = [*_unbounded(raised), *_over_total(evidence, limits), *_rises(evidence, limits)]
    if not reasons:
        return None
    slugs = {change.slug for change in raised}
    diagnostic = error(
        BUDGET_EXCEEDED,
        named(reasons, limit=_SHOWN, separator="; "),
        hint="lower or set the budgets, raise limits.budget_total or limits.budget_increase, "
        "or add --allow-budget",
    )
    return GuardViolation(diagnostic, frozenset(a.slug for a in actions if a.slug in slugs))


def is_raised(before: Budget | None, after: Budget | None) -> bool:
    """Return whether more can be spent after a change; another unit or period may allow more."""
    if after is None or (before is not None and before.amount is None):
        return False
    if before is None or before.amount is None or after.amount is None:
        return True
    return before.kind != after.kind or after.amount > before.amount


def _unbounded(raised: Sequence[BudgetChange]) -> Iterator[str]:
    for change in raised:
        after = change.after
        if after is not None and after.amount is None:
            yield f"{holder(change)} would spend without a budget"
        elif after is not None and after.unit != COST and _is_money(change.before):
            yield f"{holder(change)} would no longer have a budget in money"


def _is_money(budget: Budget | None) -> bool:
    return budget is not None and budget.amount is not None and budget.unit == COST


def _over_total(evidence: BudgetEvidence, limits: Limits) -> Iterator[str]:
    limit = limits.budget_total
    for total in evidence.totals if limit is not None else ():
        if limit is not None and total.unit == COST and total.before < total.after > limit:
            yield (
                f"the budgets on {evidence.target} would add up to {grouped(total.after)} "
                f"{period_text(total.period)}, but the limit is {grouped(limit)}"
            )


def _rises(evidence: BudgetEvidence, limits: Limits) -> Iterator[str]:
    limit = limits.budget_increase
    if limit is None:
        return
    base = dict(evidence.before)
    added: dict[tuple[str, str], Decimal] = {}
    for change in evidence.changes:
        before, after = change.before, change.after
        # Amounts of different units or periods cannot be added, nor can the budget of an unknown
        # number of new workspaces, so each of these changes is checked separately.
        if change.workspace is None or _changes_kind(before, after):
            if _rises_alone(before, after, limit):
                yield f"the budget of {holder(change)} would rise by more than {percent(limit)}"
            if change.workspace is not None:
                _add(base, before, Decimal(-1))
            continue
        _add(added, before, Decimal(-1))
        _add(added, after, Decimal(1))
    # A selection without any budget is compared with the whole target. Otherwise, a separate run
    # for each integration could raise the sum without a limit.
    whole = {(total.unit, total.period): total.before for total in evidence.totals}
    first = {kind: whole.get(kind, Decimal(0)) for kind in added if not evidence.before.get(kind)}
    compared = {kind: first.get(kind, base.get(kind, Decimal(0))) for kind in added}
    yield from _over_increase(evidence.target, compared, added, limit)


def _add(sums: dict[tuple[str, str], Decimal], budget: Budget | None, sign: Decimal) -> None:
    if budget is not None and budget.amount is not None:
        sums[budget.kind] = sums.get(budget.kind, Decimal(0)) + sign * budget.amount


def _over_increase(
    target: str,
    base: Mapping[tuple[str, str], Decimal],
    added: Mapping[tuple[str, str], Decimal],
    limit: Decimal,
) -> Iterator[str]:
    for kind, more in sorted(added.items()):
        before = base[kind]
        # There is nothing to compare the first budgets of a kind with; `budget_total` limits them.
        if before and more > before * limit:
            yield (
                f"the budgets on {target} would rise by {percent(more / before)} "
                f"from {grouped(before)} to {grouped(before + more)} {period_text(kind[1])}, "
                f"but the limit is {percent(limit)}"
            )


def _changes_kind(before: Budget | None, after: Budget | None) -> bool:
    if before is None or after is None or before.amount is None or after.amount is None:
        return False
    return before.kind != after.kind


def _rises_alone(before: Budget | None, after: Budget | None, limit: Decimal) -> bool:
    """Return whether a single budget may rise by more than the limit in the worst case."""
    if before is None or after is None or before.amount is None or after.amount is None:
        return False  # `_unbounded` reports an unlimited one
    if before.unit != after.unit:
        return False
    allowed = before.amount * (1 + limit)
    if after.period in (before.period, NEVER):
        return after.amount > allowed
    if before.period == NEVER:
        return True
    old, new = _days(before.period), _days(after.period)
    if old is None or new is None:
        return True
    # In the worst case, the longest old period is followed by the shortest new one.
    return after.amount * old[1] > allowed * new[0]


def _days(period: str) -> tuple[int, int] | None:
    """Return the smallest and the largest number of days of a period, None if it is unknown."""
    if period == "monthly":
        return _MONTH_DAYS
    if period == "weekly":
        return 7, 7
    # The API may add a period that this version does not know.
    if not (period.isascii() and period.isdigit()):
        return None
    return int(period), int(period)


def holder(change: BudgetChange) -> str:
    """Return the holder of a budget, as part of a sentence."""
    return f"{change.workspace or 'each new workspace'} on {change.slug}"


def percent(share: Decimal) -> str:
    """Return a share in percent."""
    return f"{grouped(round(share * 100, 1))} %"
