"""Costs as text: a line for each budget and price that changes, and for each sum.

A plan and a result show the values before and after; a drift report shows its two sides.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from reconciler.diagnostics import counted
from reconciler.planning.costs import (
    COST,
    Budget,
    BudgetChange,
    BudgetTotal,
    Costs,
    PriceChange,
    as_text,
    grouped,
    period_text,
    rounded,
)
from reconciler.views.escape import visible

Sides = tuple[str, str]
"""Names of the two sides of a comparison, such as `in the API` and `in Git`."""


def lines_by_slug(costs: Costs, *, sides: Sides | None = None) -> Mapping[str, list[str]]:
    """Return the lines of each integration; access without a budget has none."""
    lines: dict[str, list[str]] = {}
    for change in costs.budgets:
        if change.is_limited:
            lines.setdefault(change.slug, []).append(_budget(change, sides))
    for price in costs.prices:
        lines.setdefault(price.slug, []).append(_price(price, sides))
    return lines


def totals(costs: Costs, target: str, *, sides: Sides | None = None) -> tuple[str, ...]:
    """Return the lines for the sums of the budgets on a target."""
    lines = [_total(total, visible(target), sides) for total in costs.totals]
    before, after = costs.unlimited
    # It is not part of a sum, so a sum must not hide it. A workspace counts once for each
    # integration that it may use.
    if lines and (before or after):
        subject = f"workspace grants without a budget on {visible(target)}"
        if before == after:
            lines.append(f"{subject}: {after}")
        elif sides is None:
            lines.append(f"{subject}: {before} → {after}")
        else:
            lines.append(_both(subject, str(before), str(after), sides))
    return tuple(lines)


def _both(subject: str, before: str, after: str, sides: Sides | None) -> str:
    """Return both values of a subject, with names or in chronological order."""
    if sides is None:
        return f"{subject} {before} → {after}"
    return f"{subject}: {sides[0]} {before}, {sides[1]} {after}"


def _budget(change: BudgetChange, sides: Sides | None) -> str:
    holder = visible(change.workspace) if change.workspace is not None else "each new workspace"
    before, after = change.before, change.after
    # The unit and the period are shown once if they are the same.
    first = _amount(before) if _is_same_kind(before, after) else _side(before)
    return _both(f"budget of {holder}", first, _side(after), sides)


def _is_same_kind(before: Budget | None, after: Budget | None) -> bool:
    if before is None or after is None or before.amount is None or after.amount is None:
        return False
    return before.kind == after.kind


def _amount(budget: Budget | None) -> str:
    return "" if budget is None or budget.amount is None else grouped(budget.amount)


def _side(budget: Budget | None) -> str:
    if budget is None:
        return "no access"
    if budget.amount is None:
        return "unlimited"
    return f"{grouped(budget.amount)} {_measure(budget.unit, budget.period)}"


def _measure(unit: str, period: str) -> str:
    when = visible(period_text(period))
    return when if unit == COST else f"{visible(unit)} {when}"


def _total(total: BudgetTotal, target: str, sides: Sides | None) -> str:
    after = f"{grouped(total.after)} {_measure(total.unit, total.period)}"
    return _both(f"sum of budgets on {target}", grouped(total.before), after, sides)


def _price(change: PriceChange, sides: Sides | None) -> str:
    kind = visible(change.kind)
    if change.model is not None:
        subject = f"price of {kind} of {visible(change.model)}"
        line = _both(subject, _listed(change.before), _listed(change.after), sides)
        return f"{line}{_effect(change, 'its reported cost', sides)}"
    models = "its models" if change.models is None else counted(change.models, "model")
    concerned = f"{kind} of {models}" if kind else models
    subject = f"multiplier {kind}" if kind else "multiplier"
    line = _both(subject, *_factors(change), sides)
    line += _effect(change, f"the reported cost of {concerned}", sides)
    if change.unaffected:
        line += f", but not of {', '.join(visible(name) for name in change.unaffected)}"
    return line


def _effect(change: PriceChange, what: str, sides: Sides | None) -> str:
    before, after = change.before, change.after
    if before is None or after is None:
        return ""
    if sides is not None:
        return _comparison(replace(change, before=after, after=before), what, sides)
    verb = "raises" if after > before else "lowers"
    # There is no percentage for an increase from 0.
    share = f" by {_share(change)}" if change.percent is not None else " from nothing"
    return f" {verb} {what}{share}"


def _comparison(change: PriceChange, what: str, sides: Sides) -> str:
    """Return by how much the first side is above or below the second."""
    before, after = change.before, change.after
    is_higher = before is not None and after is not None and after > before
    share = f"{_share(change)} " if change.percent is not None else ""
    return f"; {sides[0]} {what} is {share}{'higher' if is_higher else 'lower'} than {sides[1]}"


def _share(change: PriceChange) -> str:
    percent = change.percent
    return "" if percent is None else f"{grouped(rounded(percent.copy_abs()))} %"


def _listed(price: Decimal | None) -> str:
    return "as listed" if price is None else as_text(price)


def _factors(change: PriceChange) -> tuple[str, str]:
    """Return both factors with equally many decimal places, and at least one."""
    # A saved report may have only one side; a new report always has both.
    before, after = change.before or Decimal(0), change.after or Decimal(0)
    places = max(1, *(len(as_text(side).partition(".")[2]) for side in (before, after)))
    return f"{before:.{places}f}", f"{after:.{places}f}"
