"""Models that retire, as a drift report announces them: at 90, 30, 7 and 1 days, once each.

Pure. The ledger records what was announced; without a ledger, every check announces the last
threshold again. The drift issue stores this separately, in its text (`reconciler.github.issue`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.domain.catalogue import ModelFinding

RETIRING = "model-retiring"
"""Code of the diagnostics that a report contains only if it announces a retirement."""

THRESHOLDS = (90, 30, 7, 1)
"""Days before a retirement at which it is announced."""

RETIRED = 0
"""Threshold of a model that has retired; every report has its diagnostic."""


@dataclass(frozen=True, slots=True, order=True)
class Retirement:
    """Declared model that retires; `is_due` states that this report announces a threshold."""

    slug: str
    model: str
    retires: date
    days_left: int
    is_due: bool = False

    @property
    def threshold(self) -> int:
        """Return the last threshold that was reached; before the first one, the greatest."""
        if self.days_left <= 0:
            return RETIRED
        reached = [days for days in THRESHOLDS if self.days_left <= days]
        return min(reached, default=THRESHOLDS[0])

    @property
    def key(self) -> str:
        """Return the key under which it is recorded; another date is another retirement."""
        return f"{self.retires} {self.slug} {self.model}"

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "slug": self.slug,
            "model": self.model,
            "retires": self.retires.isoformat(),
            "days_left": self.days_left,
            "threshold": self.threshold,
            "due": self.is_due,
        }


def retirements_of(
    models: "Iterable[ModelFinding]", announced: Mapping[str, int]
) -> tuple[Retirement, ...]:
    """Return the models that retire within the first threshold or have retired, in order.

    `announced` is the last threshold that was announced, by `Retirement.key`.
    """
    found = set()
    for item in models:
        if item.retires is None or item.days_left > THRESHOLDS[0]:
            continue
        each = Retirement(item.slug, item.model, item.retires, item.days_left)
        known = announced.get(each.key)
        is_due = each.threshold != RETIRED and (known is None or each.threshold < known)
        found.add(replace(each, is_due=is_due))
    return tuple(sorted(found))


def announced_by(
    retirements: Iterable[Retirement], before: Mapping[str, int] = MappingProxyType({})
) -> dict[str, int]:
    """Return what is announced once a report has these retirements; `before` was announced earlier.

    A clock that was set back does not make a threshold unannounced.
    """
    reached = {item.key: item.threshold for item in retirements}
    least = {key: min(days, before.get(key, days)) for key, days in reached.items()}
    return {**before, **least}


def silent_findings(
    models: "Iterable[ModelFinding]", retirements: Collection[Retirement]
) -> "frozenset[ModelFinding]":
    """Return the retiring models whose diagnostic this report leaves out."""
    due = {item.key for item in retirements if item.is_due}
    return frozenset(
        item
        for item in models
        if item.state.value == RETIRING
        and item.retires is not None
        # The days left are not part of the key, so 0 is sufficient for all of them.
        and Retirement(item.slug, item.model, item.retires, 0).key not in due
    )
