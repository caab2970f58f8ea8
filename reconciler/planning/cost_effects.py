"""Costs of a fresh plan, and whether they exceed the budget limits of the target."""

from collections.abc import Sequence

from reconciler.domain.state import DesiredState, ObservedState
from reconciler.planning.actions import Action
from reconciler.planning.budget_changes import budget_changes, sums_of
from reconciler.planning.budget_guard import BudgetEvidence, check_budgets
from reconciler.planning.costs import Costs
from reconciler.planning.guards import GuardViolation
from reconciler.planning.plan import PlanOptions
from reconciler.planning.price_changes import price_changes


def costs_of(
    actions: Sequence[Action], desired: DesiredState, observed: ObservedState, options: PlanOptions
) -> tuple[Costs | None, GuardViolation | None]:
    """Return the costs of a plan, None without any, and the guard that they violate."""
    budgets = tuple(change for action in actions for change in budget_changes(action))
    prices = tuple(change for action in actions for change in price_changes(action))
    has_budgets = any(change.is_limited for change in budgets)
    limits = desired.target.limits
    is_guarded = bool(budgets) and limits.limits_budgets and not options.allow_budget
    if not has_budgets and not is_guarded:
        return (Costs(prices=prices) if prices else None), None
    sums = sums_of(
        actions,
        declared=desired.integrations,
        observed=observed.live,
        includes=options.selection.includes,
    )
    totals, violation = sums.totals(), None
    if is_guarded:
        evidence = BudgetEvidence(desired.target.name, budgets, totals, sums.selected)
        violation = check_budgets(actions, evidence, limits)
    if not has_budgets and not prices:
        return None, violation
    return Costs(budgets, totals, sums.unlimited, prices), violation
