"""Typing of plain scalars by their field.

YAML does not decide whether `123` is a number or a string; the field does. The reader marks a
scalar that could be either as `Plain`, and `apply_types` decides by the schema.
"""

import math
import re
from typing import Any

from reconciler.domain.schema import UNKNOWN, FieldSchema

# Numbers of YAML 1.2's JSON schema: no leading zeros, octals or underscores, which YAML 1.1 has.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Digits of the largest 64-bit integer.
_MAX_DIGITS = 19
_MAX_FLOAT = 64


class Plain(str):
    """A scalar without quotes: true, false or a number, unless its field holds strings."""

    __slots__ = ()


def may_be_typed(text: str) -> bool:
    """Return whether a scalar without quotes can be a boolean or a number."""
    return text in {"true", "false"} or _NUMBER.fullmatch(text) is not None


def infer_scalar(text: str) -> bool | int | float | str:
    """Return a scalar's value by YAML 1.2's JSON schema; a number out of range stays a string."""
    if text in {"true", "false"}:
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if number is None:
        return str(text)
    if number[1] is None and number[2] is None:
        return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else str(text)
    value = float(text) if len(text) <= _MAX_FLOAT else math.inf
    return value if math.isfinite(value) else str(text)


def apply_types(node: Any, schema: FieldSchema) -> Any:
    """Return the value of a document, or of a part of it, with scalars typed by the schema."""
    kind = type(node)
    if kind is str:
        return node
    if kind is Plain:
        return str(node) if schema.is_text else infer_scalar(node)
    if kind is dict:
        fields, entries = schema.fields, schema.entries or UNKNOWN
        return {
            key: item if type(item) is str else apply_types(item, fields.get(key, entries))
            for key, item in node.items()
        }
    if kind is list:
        entries = schema.entries or UNKNOWN
        return [apply_types(item, entries) for item in node]
    return node
