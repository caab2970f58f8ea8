"""Say in a schema what holds anyway: that text ends, that lists end, that integers fit.

A request's body is one mebibyte at most, so nothing in it can be longer. Linters and generated
clients want to read that at every place.
"""

from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 1024 * 1024
LARGEST: Final = 2**31 - 1

_LIMITS: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"maxLength": LONGEST},
    "array": {"maxItems": LONGEST},
    "object": {"maxProperties": LONGEST},
    "integer": {"minimum": -LARGEST, "maximum": LARGEST, "format": "int32"},
}


def bounded(schema: Any) -> Any:
    """Copy a schema with limits wherever it names a type and sets none."""
    if isinstance(schema, list | tuple):
        return [bounded(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    copy = {key: bounded(value) for key, value in schema.items()}
    kinds = schema.get("type")
    for kind in [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else ():
        copy = {**_LIMITS.get(kind, {}), **copy}
    if _is_free_text(copy):
        copy["format"] = "text"
    return copy


def _is_free_text(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    is_text = kinds == "string" or (isinstance(kinds, list) and "string" in kinds)
    return is_text and not schema.keys() & {"format", "pattern", "enum", "const"}
