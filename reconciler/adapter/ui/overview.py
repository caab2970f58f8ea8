"""Content of the overview: a search, the integrations that need attention first, and one page."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from reconciler.adapter.ui.snapshot import Row, SyncStatus
from reconciler.frozen_dataclass import dataclass

ROWS_PER_PAGE: Final = 100
NEEDS_ATTENTION: Final = "needs attention"
"""Choice of a filter that represents several sync statuses."""

_RANKS: Final = {status: rank for rank, status in enumerate(SyncStatus)}
_WITHOUT_ATTENTION: Final = frozenset({SyncStatus.UNMANAGED, SyncStatus.IN_SYNC})
_TITLES: Final = {True: "Needs attention", False: "Everything else"}
_MAX_PAGE_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Search:
    """Filter of the overview; an empty text filters nothing."""

    words: str = ""
    sync_status: str = ""
    provider: str = ""

    @property
    def is_set(self) -> bool:
        """Whether anything is filtered."""
        return self != Search()

    def matches(self, row: Row) -> bool:
        """Return whether a row is shown."""
        text = f"{row.slug} {row.name} {row.provider}".lower()
        return (
            all(word in text for word in self.words.lower().split())
            and self._matches_status(row)
            and self.provider in {"", row.provider}
        )

    def query(self, *, page: int = 1) -> str:
        """Return the query of a link to a page of the matching rows."""
        values = {"q": self.words, "provider": self.provider, "state": self.sync_status}
        if page > 1:
            values["page"] = str(page)
        given = {name: value for name, value in values.items() if value}
        return f"?{urlencode(given)}" if given else ""

    def _matches_status(self, row: Row) -> bool:
        if self.sync_status == NEEDS_ATTENTION:
            return needs_attention(row)
        return self.sync_status in {"", row.sync_status.value}


@dataclass(frozen=True, slots=True)
class Choice:
    """Number of integrations with one sync status, and the query that filters them."""

    name: str
    count: int
    query: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one page under one title; `total` counts those of all pages."""

    title: str
    total: int
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the rows that match a search; `first` and `last` are positions from 1."""

    groups: Sequence[Group]
    first: int
    last: int
    total: int
    previous_query: str | None
    next_query: str | None


def needs_attention(row: Row) -> bool:
    """Return whether an integration differs, exposes something, or could not be compared."""
    return row.blocked or row.sync_status not in _WITHOUT_ATTENTION


def page_of(rows: Iterable[Row], search: Search, number: int) -> Page:
    """Return a page of the matching rows, most urgent first; the last one if there are fewer."""
    found = sorted((row for row in rows if search.matches(row)), key=_urgency)
    page_count = max(1, math.ceil(len(found) / ROWS_PER_PAGE))
    number = min(max(1, number), page_count)
    start = (number - 1) * ROWS_PER_PAGE
    shown = found[start : start + ROWS_PER_PAGE]
    return Page(
        groups=_groups(shown, Counter(needs_attention(row) for row in found)),
        first=start + 1 if shown else 0,
        last=start + len(shown),
        total=len(found),
        previous_query=search.query(page=number - 1) if number > 1 else None,
        next_query=search.query(page=number + 1) if number < page_count else None,
    )


def page_number(text: str) -> int:
    """Return the number of a page in a query; 1 for anything that is not a number."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_PAGE_DIGITS
    return int(text) if is_number else 1


def choices_of(rows: Sequence[Row], search: Search) -> list[Choice]:
    """Return the number of all rows, of those that need attention, and of each sync status."""
    totals = Counter(row.sync_status.value for row in rows)
    totals[NEEDS_ATTENTION] = sum(needs_attention(row) for row in rows)
    choices = [
        Choice("all", len(rows), replace(search, sync_status="").query(), not search.sync_status)
    ]
    for name in statuses():
        if totals[name]:
            query = replace(search, sync_status=name).query()
            choices.append(Choice(name, totals[name], query, search.sync_status == name))
    return choices


def statuses() -> list[str]:
    """Return the filters of the overview."""
    return [NEEDS_ATTENTION, *(status.value for status in SyncStatus)]


def _urgency(row: Row) -> tuple[bool, bool, int, str]:
    return not needs_attention(row), not row.blocked, _RANKS[row.sync_status], row.slug


def _groups(rows: Sequence[Row], totals: Counter[bool]) -> list[Group]:
    groups = []
    for is_urgent, title in _TITLES.items():
        members = [row for row in rows if needs_attention(row) is is_urgent]
        if members:
            groups.append(Group(title, totals[is_urgent], members))
    return groups
