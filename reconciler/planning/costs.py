"""Costs of a plan, a result or drift: changes of budgets and prices, as values.

Amounts are decimals and never floats, and JSON holds them as strings.
`reconciler.planning.cost_changes` computes them from the actions; it is loaded only for a plan that
changes access, a budget or a price. The guard: `budget_guard`. The wording:
`reconciler.views.cost_lines`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Context, Decimal, localcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    # The models of documents need pydantic, which this module does not import.
    from reconciler.planning.documents import (
        BudgetChangeDocument,
        BudgetDocument,
        CostsDocument,
        PriceChangeDocument,
    )

EXACT = Context(prec=1100)
"""Context in which amounts are added and compared: no number of a file or of the API is rounded.

The default of 28 digits is too small: rounding the ratio of two very different numbers would fail.
"""

COST = "cost"
NEVER = "never"
"""Period of a budget that is never reset."""

_PLAIN_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,60})?")
_PERIODS: Mapping[str, str] = MappingProxyType(
    {"monthly": "per month", "weekly": "per week", NEVER: "in total", "1": "per day"}
)


@dataclass(frozen=True, slots=True)
class Budget:
    """Budget of a workspace; `amount` is None if the workspace may spend without a limit.

    `period` is `monthly`, `weekly`, a number of days or `never`. Budgets of different units or
    periods are never added or compared by amount.
    """

    amount: Decimal | None
    unit: str = COST
    period: str = NEVER

    @property
    def kind(self) -> tuple[str, str]:
        """Return the unit and the period, within which amounts can be added."""
        return self.unit, self.period

    def as_json(self) -> "BudgetDocument":
        """Return the JSON form."""
        amount = None if self.amount is None else as_text(self.amount)
        return {"amount": amount, "unit": self.unit, "period": self.period}


UNLIMITED = Budget(None)


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """Change of the budget of one workspace; None on a side without access.

    `workspace` is None for the budget that each new workspace gets.
    """

    slug: str
    workspace: str | None
    before: Budget | None
    after: Budget | None

    @property
    def is_limited(self) -> bool:
        """Return whether a budget is involved, not only access without one."""
        sides = (self.before, self.after)
        return any(side is not None and side.amount is not None for side in sides)

    def as_json(self) -> "BudgetChangeDocument":
        """Return the JSON form."""
        return {
            "slug": self.slug,
            "workspace": self.workspace,
            "before": None if self.before is None else self.before.as_json(),
            "after": None if self.after is None else self.after.as_json(),
        }


@dataclass(frozen=True, slots=True)
class BudgetTotal:
    """Sum of the budgets of one unit and period on a target."""

    unit: str
    period: str
    before: Decimal
    after: Decimal

    @property
    def is_plain(self) -> bool:
        """Return whether the unit and the period are known values and not free text of the API."""
        is_known = self.period in _PERIODS or _is_number(self.period)
        return self.unit in {COST, "tokens"} and is_known


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Change of a multiplier of an integration, or of the price of one model.

    `kind` names what is priced, such as `request_token`; empty for the default. None is the listed
    price. `models` is the number of affected models, None if it is unknown. `unaffected` are the
    kinds that keep a separate multiplier.
    """

    slug: str
    model: str | None
    kind: str
    before: Decimal | None
    after: Decimal | None
    models: int | None = None
    unaffected: tuple[str, ...] = ()

    @property
    def percent(self) -> Decimal | None:
        """Return by how much the reported cost rises, in percent; None if that is unknown."""
        if self.before is None or self.after is None or not self.before:
            return None
        with localcontext(EXACT):
            return (self.after - self.before) * 100 / self.before

    def as_json(self) -> "PriceChangeDocument":
        """Return the JSON form."""
        percent = self.percent
        return {
            "slug": self.slug,
            "model": self.model,
            "kind": self.kind,
            "before": None if self.before is None else as_text(self.before),
            "after": None if self.after is None else as_text(self.after),
            "models": self.models,
            "unaffected": list(self.unaffected),
            "percent": None if percent is None else as_text(rounded(percent)),
        }


@dataclass(frozen=True, slots=True)
class Costs:
    """Changes of budgets and prices in a plan, and the sums of budgets that change.

    A sum covers the integrations that the files declare and those that the plan deletes. It does
    not include access without a budget: `unlimited` counts it, before and after, for each workspace
    of each integration.
    """

    budgets: tuple[BudgetChange, ...] = ()
    totals: tuple[BudgetTotal, ...] = ()
    unlimited: tuple[int, int] = (0, 0)
    prices: tuple[PriceChange, ...] = ()

    @property
    def without_sums(self) -> "Costs":
        """Return the costs of a plan that does not cover all integrations of its target."""
        return Costs(budgets=self.budgets, prices=self.prices)

    def of_slugs(self, slugs: Collection[str]) -> "Costs":
        """Return the changes of some integrations, without sums."""
        return Costs(
            budgets=tuple(item for item in self.budgets if item.slug in slugs),
            prices=tuple(item for item in self.prices if item.slug in slugs),
        )

    def as_json(self) -> "CostsDocument":
        """Return the JSON form, the key `costs` of a plan, a result or a drift report."""
        before, after = self.unlimited
        return {
            "budgets": [item.as_json() for item in self.budgets],
            "totals": [
                {
                    "unit": item.unit,
                    "period": item.period,
                    "before": as_text(item.before),
                    "after": as_text(item.after),
                }
                for item in self.totals
            ],
            "unlimited": {"before": before, "after": after},
            "prices": [item.as_json() for item in self.prices],
        }


def costs_from(document: "CostsDocument") -> Costs:
    """Build the costs from their document; raises `ValueError` for an invalid amount."""
    return Costs(
        budgets=tuple(
            BudgetChange(
                item["slug"], item["workspace"], _budget(item["before"]), _budget(item["after"])
            )
            for item in document["budgets"]
        ),
        totals=tuple(
            BudgetTotal(
                item["unit"], item["period"], Decimal(item["before"]), Decimal(item["after"])
            )
            for item in document["totals"]
        ),
        unlimited=(document["unlimited"]["before"], document["unlimited"]["after"]),
        prices=tuple(_prices(document["prices"])),
    )


def _prices(items: "Iterable[PriceChangeDocument]") -> Iterable[PriceChange]:
    for item in items:
        yield PriceChange(
            slug=item["slug"],
            model=item["model"],
            kind=item["kind"],
            before=_amount(item["before"]),
            after=_amount(item["after"]),
            models=item["models"],
            unaffected=tuple(item["unaffected"]),
        )


def _budget(document: "BudgetDocument | None") -> Budget | None:
    if document is None:
        return None
    return Budget(_amount(document["amount"]), document["unit"], document["period"])


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def exact(value: object) -> Decimal | None:
    """Return a number of a tree as a decimal with the digits of its text; None for anything else.

    `repr` of a float is the shortest text that reads as this float: 0.1 becomes 0.1. The API may
    show a number as a string, and one with more digits than a float holds is read as a string.
    """
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value):
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(repr(value))


def as_text(amount: Decimal) -> str:
    """Return a number in plain digits, without an exponent and trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(percent: Decimal) -> Decimal:
    """Return a percentage with one decimal place at most, or with more if it would become 0."""
    with localcontext(EXACT):
        places = 1 if abs(percent) >= 1 else 4
        return round(percent, places)


def grouped(amount: Decimal) -> str:
    """Return an amount with its thousands separated, such as `5,700`."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def period_text(period: str) -> str:
    """Return the period of a budget as the end of a sentence."""
    # The API may return a period that this version does not know.
    other = f"every {period} days" if _is_number(period) else f"in the period {period}"
    return _PERIODS.get(period, other)


def _is_number(period: str) -> bool:
    return period.isascii() and period.isdigit()
