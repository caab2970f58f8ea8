"""Tolerant readers for single values of the API's answers, and the one error for a wrong shape.

Tolerance ends at what is documented or was observed (portkey-api.md): a field that is empty in any
form (null, "", [], {}), three forms of a boolean, an object as JSON text. Anything else is an error
that names the field and never its value. What the values mean: `reconciler.remote.translate`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from reconciler.domain.fields import SLUG
from reconciler.domain.tree import is_empty
from reconciler.remote.answers import parse_json
from reconciler.remote.errors import NoAnswer

DEEPEST = 32
"""Levels of nesting in a free-form object; the same limit that files have."""

_FLAGS: Mapping[Any, bool] = {
    1: True,
    0: False,
    "true": True,
    "false": False,
    "1": True,
    "0": False,
}

T = TypeVar("T")


def wrong_shape(where: str, expected: str) -> NoAnswer:
    """Make the error for a value that is not what the API documents."""
    return NoAnswer(
        f"the API answered in a form that is not understood: {where} is not {expected}",
        code="unexpected-shape",
        hint="Check the target's base_url; if it is right, the API has changed.",
    )


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Read an object."""
    if not isinstance(value, dict):
        raise wrong_shape(where, "an object")
    return value


def object_or_json(value: Any, where: str) -> dict[str, Any]:
    """Read an object that may be missing, empty in any form, or JSON text."""
    if is_empty(value):
        return {}
    if isinstance(value, str):
        try:
            value = parse_json(value.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            value = False
    return mapping(value, where)


def items(value: Any, where: str) -> list[dict[str, Any]]:
    """Read a list of objects; null is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_shape(where, "a list")
    return [mapping(item, f"an entry of {where}") for item in value]


def text(value: Any, where: str) -> str:
    """Read a string that has to be there."""
    if not isinstance(value, str) or not value:
        raise wrong_shape(where, "text")
    return value


def optional_text(value: Any, where: str) -> str | None:
    """Read a string that may be empty in any form."""
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise wrong_shape(where, "text or null")
    return value


def slug(value: Any, where: str) -> str:
    """Read a slug that may come near a URL."""
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        raise wrong_shape(where, "a slug")
    return value


def flag(value: Any, where: str) -> bool | None:
    """Read a boolean in any of its forms (`1`, `"false"`, `true`); null is None."""
    if value is None or isinstance(value, bool):
        return value
    known = value.lower() if isinstance(value, str) else value
    if isinstance(known, int | str) and known in _FLAGS:
        return _FLAGS[known]
    raise wrong_shape(where, "a boolean")


def count(value: Any, where: str) -> int | None:
    """Read a number of things that may be null."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise wrong_shape(where, "a count")
    return value


def shallow(value: T, where: str, depth: int = 0) -> T:
    """Give a value back if it is not nested deeper than `DEEPEST`."""
    if isinstance(value, dict | list):
        if depth >= DEEPEST:
            raise wrong_shape(where, f"nested at most {DEEPEST} deep")
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                shallow(item, where, depth + 1)
    return value
