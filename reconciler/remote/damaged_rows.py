"""Rows of the list that cannot be read: to which slug they belong, each counted once.

A damaged row is neither data nor absence. It belongs to the slug that it names; if that is no slug,
to the one that is left without the characters that no slug has; if nothing is left, to any.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.domain.identifiers import SLUG
from reconciler.domain.state import UnreadableIntegration
from reconciler.domain.surrogates import repaired
from reconciler.remote.errors import UnreadableRecords, WrongShape

CODE = "unreadable-record"

_SHOWN = 5
_NO_SLUG = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_SLUG = 255


def damaged(*records: UnreadableIntegration) -> UnreadableRecords:
    """Build the error for integrations that matter and cannot be read, at least one."""
    first = min(records, key=_by_slug)
    reasons = [f"{record.slug}: {record.reason}" for record in sorted(records, key=_by_slug)]
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return UnreadableRecords(
        f"an integration exists and cannot be read: {'; '.join(reasons[:_SHOWN])}{more}",
        code=first.code,
        hint="repair it in the console; `--exclude SLUG` plans the others without it",
    )


def nameless_rows(count: int) -> UnreadableRecords:
    """Build the error for rows whose slug cannot be read."""
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
    """The unreadable rows of one reading, each under a name that no other has."""

    records: dict[str, UnreadableIntegration] = field(default_factory=dict)

    @property
    def slugs(self) -> frozenset[str]:
        """Return the well-formed slugs that damaged rows name."""
        return frozenset(name for name in self.records if SLUG.fullmatch(name))

    @property
    def unidentified(self) -> int:
        """Return the number of rows without a well-formed slug; the slug of those is a guess."""
        return len(self.records) - len(self.slugs)

    @property
    def nameless(self) -> int:
        """Return the number of rows whose slug cannot be read."""
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
        """Return the collector of the damaged rows of the next page."""
        return DamagedPage(self)


@dataclass(slots=True)
class DamagedPage:
    """The unreadable rows of one page."""

    damage: Damage
    _alike: dict[str, int] = field(default_factory=dict)

    def note(self, row: object, problem: WrongShape) -> None:
        """Count a row once, however many pages show it."""
        slug = row.get("slug") if isinstance(row, dict) else None
        name = _name(slug)
        if not name:
            name = self._identity(row)
        self.damage.records[name] = UnreadableIntegration(_slug_in(slug), CODE, problem.reason)

    def _identity(self, row: object) -> str:
        """Identify a row without a slug by its id, else by its content and its place among equals.

        Two pages that shift show the same row twice; one page does not.
        """
        identity = row.get("id") if isinstance(row, dict) else None
        if isinstance(identity, str) and identity:
            return f"id:{identity}"
        try:
            # An `UnreadableNumber` has no JSON form, hence the default.
            content = json.dumps(row, sort_keys=True, default=lambda _value: "unreadable")
        except RecursionError:
            content = "nested too deep"
        number = self._alike[content] = self._alike.get(content, 0) + 1
        return f"row {number}:{content}"


def _name(slug: object) -> str:
    """Return the slug of a row, "" if it is not valid."""
    if isinstance(slug, int) and not isinstance(slug, bool):
        return f"{slug} (a number)"
    return repaired(slug) if isinstance(slug, str) and _slug_in(slug) else ""


def _slug_in(slug: object) -> str:
    """Return the slug that a row most likely has, "" if none can be recognised."""
    text = str(slug) if isinstance(slug, str | int) and not isinstance(slug, bool) else ""
    return _NO_SLUG.sub("", text)[:_LONGEST_SLUG]
