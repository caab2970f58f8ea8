"""Costs of a plan in words: a line for each budget and price that changes, and for each sum."""

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


def lines_of(costs: Costs, slug: str) -> tuple[str, ...]:
    """Return the lines for one integration; access without a budget has none."""
    budgets = [_budget(item) for item in costs.budgets if item.slug == slug and item.is_limited]
    prices = [_price(item) for item in costs.prices if item.slug == slug]
    return (*budgets, *prices)


def totals_of(costs: Costs, target: str) -> tuple[str, ...]:
    """Return the lines for the sums of the budgets on a target."""
    lines = [_total(total, visible(target)) for total in costs.totals]
    before, after = costs.unlimited
    # Not part of a sum, so a sum must not hide it.
    if lines and (before or after):
        number = (
            counted(after, "workspace") if before == after else f"{before} → {after} workspaces"
        )
        lines.append(f"without a budget on {visible(target)}: {number}")
    return tuple(lines)


def _budget(change: BudgetChange) -> str:
    holder = visible(change.workspace) if change.workspace is not None else "each new workspace"
    before, after = change.before, change.after
    if _is_same_kind(before, after):
        # The unit and the period stand once.
        return f"budget of {holder} {_amount(before)} → {_side(after)}"
    return f"budget of {holder} {_side(before)} → {_side(after)}"


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


def _total(total: BudgetTotal, target: str) -> str:
    sides = f"{grouped(total.before)} → {grouped(total.after)}"
    return f"sum of budgets on {target} {sides} {_measure(total.unit, total.period)}"


def _price(change: PriceChange) -> str:
    kind = visible(change.kind)
    if change.model is not None:
        subject = f"price of {kind} of {visible(change.model)}"
        sides = f"{_listed(change.before)} → {_listed(change.after)}"
        effect = _effect(change, "its reported cost")
        return f"{subject} {sides}{effect}"
    models = "its models" if change.models is None else counted(change.models, "model")
    concerned = f"{kind} of {models}" if kind else models
    subject = f"multiplier {kind}" if kind else "multiplier"
    line = f"{subject} {_factors(change)}{_effect(change, f'the reported cost of {concerned}')}"
    if change.unaffected:
        line += f", but not of {', '.join(visible(name) for name in change.unaffected)}"
    return line


def _effect(change: PriceChange, what: str) -> str:
    percent, before, after = change.percent, change.before, change.after
    if before is None or after is None:
        return ""
    verb = "raises" if after > before else "lowers"
    # From nothing to something is no share.
    share = f" by {_percent(percent.copy_abs())}" if percent is not None else " from nothing"
    return f" {verb} {what}{share}"


def _percent(share: Decimal) -> str:
    return f"{grouped(rounded(share))} %"


def _listed(price: Decimal | None) -> str:
    return "as listed" if price is None else as_text(price)


def _factors(change: PriceChange) -> str:
    """Return both factors with equally many decimal places, and at least one."""
    sides = [side for side in (change.before, change.after) if side is not None]
    texts = [as_text(side) for side in sides]
    places = max(1, *(len(text.partition(".")[2]) for text in texts))
    return " → ".join(f"{side:.{places}f}" for side in sides)
