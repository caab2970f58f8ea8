"""Read plain scalars by the type of their field.

YAML does not say whether `123` is a number or a text; the field does. The builder marks what could
be either as `Plain`, and `typed` decides by the schema.
"""

import math
import re
from typing import Any

from reconciler.domain.schema import UNKNOWN, FieldSchema

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 19
_MAX_FLOAT = 64


class Plain(str):
    """A scalar without quotes that is true, false or a number in a field that is not text."""

    __slots__ = ()


def may_be_typed(text: str) -> bool:
    """Tell whether a scalar without quotes means more than its text."""
    return text in {"true", "false"} or _NUMBER.fullmatch(text) is not None


def guess(text: str) -> bool | int | float | str:
    """Give what YAML 1.2's JSON schema says; what no number can hold stays text."""
    if text in {"true", "false"}:
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if number is None:
        return str(text)
    if number[1] is None and number[2] is None:
        return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else str(text)
    value = float(text) if len(text) <= _MAX_FLOAT else math.inf
    return value if math.isfinite(value) else str(text)


def typed(node: Any, schema: FieldSchema) -> Any:
    """Build the value that a document means at a place of this schema."""
    kind = type(node)
    if kind is str:
        return node
    if kind is Plain:
        return str(node) if schema.is_text else guess(node)
    if kind is dict:
        fields, entries = schema.fields, schema.entries or UNKNOWN
        return {
            key: item if type(item) is str else typed(item, fields.get(key, entries))
            for key, item in node.items()
        }
    if kind is list:
        entries = schema.entries or UNKNOWN
        return [typed(item, entries) for item in node]
    return node
