"""Rows of the list that cannot be read: whose they are, and that each counts once.

A damaged row is neither data nor absence. It belongs to the slug that it names; if that is no slug,
to the one that is left without the characters that no slug has; and if nothing is left, to any.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.domain.identifiers import SLUG
from reconciler.domain.state import UnreadableIntegration
from reconciler.domain.surrogates import repaired
from reconciler.remote.errors import UnreadableRecords, WrongShape

CODE = "unreadable-record"

_SHOWN = 5
_NO_SLUG = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_SLUG = 255


def damaged(*records: UnreadableIntegration) -> UnreadableRecords:
    """Build the error for integrations that matter and cannot be read; there is one at least."""
    first = min(records, key=_by_slug)
    told = [f"{record.slug}: {record.reason}" for record in sorted(records, key=_by_slug)]
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return UnreadableRecords(
        f"an integration exists and cannot be read: {'; '.join(told[:_SHOWN])}{more}",
        code=first.code,
        hint="repair it in the console; `--exclude SLUG` plans the others without it",
    )


def nameless_rows(count: int) -> UnreadableRecords:
    """Build the error for rows of which not even the slug can be read."""
    rows = "a row" if count == 1 else f"{count} rows"
    return UnreadableRecords(
        f"the list has {rows} without a readable slug, so nothing is known to be absent",
        code=CODE,
        hint="`reconcile list` shows the others; repair these in the console",
    )


def _by_slug(record: UnreadableIntegration) -> str:
    return record.slug


@dataclass(slots=True)
class Damage:
    """The unreadable rows of one reading, each under what tells it from all others."""

    records: dict[str, UnreadableIntegration] = field(default_factory=dict)

    @property
    def slugs(self) -> frozenset[str]:
        """Return the well-formed slugs that damaged rows name."""
        return frozenset(name for name in self.records if SLUG.fullmatch(name))

    @property
    def unidentified(self) -> int:
        """Count the rows whose slug is none; what it is most likely meant to be is a guess."""
        return len(self.records) - len(self.slugs)

    @property
    def nameless(self) -> int:
        """Count the rows of which not even the slug can be read."""
        return sum(not record.slug for record in self.records.values())

    def by_slug(self, readable: Collection[str]) -> Mapping[str, UnreadableIntegration]:
        """Return the records by the slug they belong to.

        One whose slug was guessed keeps its own name where a readable row has that slug.
        """
        found: dict[str, UnreadableIntegration] = {}
        for name, record in self.records.items():
            if record.slug:
                taken = record.slug in readable or record.slug in found
                found[name if taken else record.slug] = record
        return found

    def page(self) -> "DamagedPage":
        """Return where to note the damaged rows of the next page."""
        return DamagedPage(self)


@dataclass(slots=True)
class DamagedPage:
    """The unreadable rows of one page."""

    damage: Damage
    _alike: dict[str, int] = field(default_factory=dict)

    def note(self, row: Any, problem: WrongShape) -> None:
        """Count a row once, however many pages show it."""
        told = row.get("slug") if isinstance(row, dict) else None
        name = _name(told)
        if not name:
            name = self._identity(row)
        self.damage.records[name] = UnreadableIntegration(_slug_in(told), CODE, problem.reason)

    def _identity(self, row: Any) -> str:
        """Identify a row without a slug by its id, else by its content and its place among equals.

        Two pages that shift show the same row twice; one page does not.
        """
        identity = row.get("id") if isinstance(row, dict) else None
        if isinstance(identity, str) and identity:
            return f"id:{identity}"
        try:
            content = json.dumps(row, sort_keys=True, default=lambda _value: "unreadable")
        except RecursionError:
            content = "nested too deep"
        number = self._alike[content] = self._alike.get(content, 0) + 1
        return f"row {number}:{content}"


def _name(told: Any) -> str:
    """Return what a row calls itself, "" for nothing that could be a slug."""
    if isinstance(told, int) and not isinstance(told, bool):
        return f"{told} (a number)"
    return repaired(told) if isinstance(told, str) and _slug_in(told) else ""


def _slug_in(told: Any) -> str:
    """Return the slug that a row most likely has, "" if none can be made out."""
    text = str(told) if isinstance(told, str | int) and not isinstance(told, bool) else ""
    return _NO_SLUG.sub("", text)[:_LONGEST_SLUG]
