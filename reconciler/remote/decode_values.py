"""Tolerant readers of single values in the API's responses, and the handling of damaged rows.

They accept what is documented or was observed (remote/API.md): a field that is empty in any form
(null, "", [], {}), three forms of a boolean, an object as JSON text. Anything else is an error that
names the field and never its value. What the values mean: `reconciler.remote.decode`.

A row of the list that cannot be read is neither data nor absence. It belongs to the slug that it
names; if that is not a valid slug, to the slug that remains without the invalid characters; if none
remains, possibly to any.
"""

import json
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from reconciler.diagnostics import named
from reconciler.domain.identifiers import SLUG
from reconciler.domain.state import UnreadableIntegration
from reconciler.domain.surrogates import repaired
from reconciler.domain.tree import Value, is_empty
from reconciler.remote.errors import UnreadableRecords, WrongShape
from reconciler.remote.responses import UnreadableNumber, read_json

DEEPEST = 32
"""Levels of nesting in a free-form object; the same limit that files have."""

LARGEST_NUMBER = 2**63
"""Largest number that other readers of our JSON can represent."""

ACTIVE = "active"
STATUSES = frozenset({ACTIVE, "archived"})
"""Values that the API documents; a record with another one cannot be interpreted."""

_FLAGS: Mapping[object, bool] = {
    1: True,
    0: False,
    "true": True,
    "false": False,
    "1": True,
    "0": False,
}


def wrong_shape(where: str, expected: str) -> WrongShape:
    """Build the error for a value that differs from the API's documentation."""
    return WrongShape(where, expected)


def mapping(value: object, where: str) -> dict[str, object]:
    """Read an object."""
    if not isinstance(value, dict):
        raise wrong_shape(where, "an object")
    return value


def object_or_json(value: object, where: str) -> dict[str, object]:
    """Read an object that may be missing, empty in any form, or JSON text."""
    if is_empty(value):
        return {}
    if isinstance(value, str):
        try:
            value = read_json(value)
        except (ValueError, RecursionError):
            # Anything but an object, so that the error below names the field.
            value = False
    return mapping(value, where)


def rows(value: object, where: str) -> list[object]:
    """Read a list of anything; null is empty."""
    if value is not None and not isinstance(value, list):
        raise wrong_shape(where, "a list")
    return value or []


def items(value: object, where: str) -> list[dict[str, object]]:
    """Read a list of objects; null is empty."""
    return [mapping(item, f"an entry of {where}") for item in rows(value, where)]


def text(value: object, where: str) -> str:
    """Read a required string."""
    if not isinstance(value, str) or not value:
        raise wrong_shape(where, "text")
    return value


def optional_text(value: object, where: str) -> str | None:
    """Read a string that may be empty in any form."""
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise wrong_shape(where, "text or null")
    return value


def identifier(value: object, where: str) -> str | None:
    """Read an identifier or time that is never sent back, as text that can be stored."""
    found = optional_text(value, where)
    return None if found is None else repaired(found)


def status(value: object, where: str) -> str:
    """Read the status of a record; none is `active`, as observed of deployments without it."""
    found = optional_text(value, where) or ACTIVE
    if found not in STATUSES:
        raise wrong_shape(where, f"one of {', '.join(sorted(STATUSES))}")
    # Interned, because thousands of records share one of two texts.
    return sys.intern(found)


def slug(value: object, where: str) -> str:
    """Read a slug that may become part of a URL."""
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        raise wrong_shape(where, "a slug")
    return value


def flag(value: object, where: str) -> bool | None:
    """Read a boolean in any of its forms (`1`, `"false"`, `true`); null is None."""
    if value is None or isinstance(value, bool):
        return value
    known = value.lower() if isinstance(value, str) else value
    # The type is checked first, because a list or an object cannot be hashed.
    if isinstance(known, int | str) and known in _FLAGS:
        return _FLAGS[known]
    raise wrong_shape(where, "a boolean")


def count(value: object, where: str) -> int | None:
    """Read a count that may be null."""
    if value is not None and (
        not isinstance(value, int) or isinstance(value, bool) or value < 0 or _is_huge(value)
    ):
        raise wrong_shape(where, "a count")
    return value


def _is_huge(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) >= LARGEST_NUMBER


def shallow(value: object, where: str, depth: int = 0) -> Value:
    """Return a free-form value if it is not nested deeper than `DEEPEST` and has usable numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, UnreadableNumber) or _is_huge(value):
        raise wrong_shape(where, "a number that can be used")
    if isinstance(value, dict | list):
        if depth >= DEEPEST:
            raise wrong_shape(where, f"nested at most {DEEPEST} deep")
        for item in value.values() if isinstance(value, dict) else value:
            shallow(item, where, depth + 1)
    return cast("Value", value)


CODE = "unreadable-record"

_SHOWN = 5
_NO_SLUG = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_SLUG = 255


def damaged(*records: UnreadableIntegration) -> UnreadableRecords:
    """Build the error for one or more relevant integrations that cannot be read."""
    first = min(records, key=_by_slug)
    reasons = [f"{record.slug}: {record.reason}" for record in sorted(records, key=_by_slug)]
    shown = named(reasons, limit=_SHOWN, separator="; ")
    return UnreadableRecords(
        f"an integration exists but cannot be read: {shown}",
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
    """Unreadable rows of one read, each under a unique name."""

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

        A record whose slug was guessed keeps its own name if a readable row has that slug.
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

        Pages that shift during the read can show a row twice; a single page cannot.
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
