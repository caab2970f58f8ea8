"""Tolerant readers of single values in the API's responses.

They accept what is documented or was observed (remote/API.md): a field that is empty in any form
(null, "", [], {}), three forms of a boolean, an object as JSON text. Anything else is an error that
names the field and never its value. `reconciler.remote.decode` interprets the values.
"""

import sys
from collections.abc import Mapping
from typing import cast

from reconciler.domain.identifiers import SLUG
from reconciler.domain.surrogates import repaired
from reconciler.domain.tree import Value, is_empty
from reconciler.remote.errors import WrongShape
from reconciler.remote.exchange import UnreadableValue, mapping, read_json, rows

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


def items(value: object, where: str) -> list[dict[str, object]]:
    """Read a list of objects; null is empty."""
    return [mapping(item, f"an entry of {where}") for item in rows(value, where)]


def text(value: object, where: str) -> str:
    """Read a required string."""
    if not isinstance(value, str) or not value:
        raise WrongShape(where, "text")
    return value


def optional_text(value: object, where: str) -> str | None:
    """Read a string that may be empty in any form."""
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise WrongShape(where, "text or null")
    return value


def identifier(value: object, where: str) -> str | None:
    """Read an identifier or time that is never sent back, as text that can be stored."""
    found = optional_text(value, where)
    return None if found is None else repaired(found)


def status(value: object, where: str) -> str:
    """Read the status of a record; a missing one means `active`, as in some deployments."""
    found = optional_text(value, where) or ACTIVE
    if found not in STATUSES:
        raise WrongShape(where, f"one of {', '.join(sorted(STATUSES))}")
    # Interned, because thousands of records share one of two values.
    return sys.intern(found)


def slug(value: object, where: str) -> str:
    """Read a slug that may become part of a URL."""
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        raise WrongShape(where, "a slug")
    return value


def flag(value: object, where: str) -> bool | None:
    """Read a boolean in any of its forms (`1`, `"false"`, `true`); null is None."""
    if value is None or isinstance(value, bool):
        return value
    known = value.lower() if isinstance(value, str) else value
    # The type is checked first, because a list or an object cannot be hashed.
    if isinstance(known, int | str) and known in _FLAGS:
        return _FLAGS[known]
    raise WrongShape(where, "a boolean")


def count(value: object, where: str) -> int | None:
    """Read a count that may be null."""
    if value is not None and (
        not isinstance(value, int) or isinstance(value, bool) or value < 0 or _is_huge(value)
    ):
        raise WrongShape(where, "a count")
    return value


def _is_huge(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) >= LARGEST_NUMBER


def shallow(value: object, where: str, depth: int = 0) -> Value:
    """Return a free-form value if it is not nested deeper than `DEEPEST` and has usable numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, UnreadableValue):
        raise WrongShape(where, value.expected)
    if _is_huge(value):
        raise WrongShape(where, "a number that can be used")
    if isinstance(value, dict | list):
        if depth >= DEEPEST:
            raise WrongShape(where, f"nested at most {DEEPEST} deep")
        for item in value.values() if isinstance(value, dict) else value:
            shallow(item, where, depth + 1)
    return cast("Value", value)
