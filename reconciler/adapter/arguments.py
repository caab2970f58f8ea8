"""Read the arguments of a tool call in the forms in which clients send them.

Clients that fill every parameter send null for those that are not set, and some send an object, a
list, a number or a boolean as JSON text. Both are read by the tool's schema; a value that the
schema takes as it is stays as it is. Whether the result is valid: `reconciler.adapter.validation`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.adapter.problems import refuse
from reconciler.adapter.validation import printable_name
from reconciler.remote.responses import parse_json

Schema = Mapping[str, Any]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS_OF_TYPE: Final[Mapping[str, Callable[[Any], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and value == value // 1,
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, Mapping),
    "string": lambda value: isinstance(value, str),
}
_WRITTEN_AS_TEXT: Final = frozenset({"array", "boolean", "integer", "number", "object"})


def read_arguments(arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return the arguments without unset parameters and with JSON text parsed.

    Raises the refusal (400) of text where the schema wants another type and the text does not hold
    it; the refusal names the place and never the text.
    """
    return _read_object(arguments, schema, "")


def _read(value: Any, schema: Schema, place: str) -> Any:
    if isinstance(value, str):
        value = _parse_text(value, schema, place)
    branch = _matching_branch(value, schema)
    if isinstance(value, Mapping):
        return _read_object(value, branch, place)
    items = branch.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        return [_read(item, items, f"{place}.{n}") for n, item in enumerate(value)]
    return value


def _read_object(value: Mapping[str, Any], schema: Schema, place: str) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    others = schema.get("additionalProperties")
    result = {}
    for name, member in value.items():
        known = properties.get(name, others)
        if not isinstance(known, Mapping):
            result[name] = member
            continue
        inside = f"{place}.{printable_name(name)}" if place else printable_name(name)
        read = _read(member, known, inside)
        is_optional = name in properties and name not in required
        if read is None and is_optional and "null" not in _types(known):
            continue
        result[name] = read
    return result


def _parse_text(text: str, schema: Schema, place: str) -> Any:
    """Return what the text holds where the schema wants something else than a string."""
    types = _types(schema)
    if "string" in types or not _WRITTEN_AS_TEXT & types:
        return text
    wanted = [name for name in sorted(types) if name != "null"]
    article = " or ".join(f"{'an' if name[0] in 'aio' else 'a'} {name}" for name in wanted)
    try:
        value = parse_json(text.encode())
    except (ValueError, RecursionError):
        # The library's error holds the whole text, which may be a credential.
        problem = "the string that was sent is not JSON"
    else:
        if value is None or any(_IS_OF_TYPE[name](value) for name in wanted):
            return value
        problem = "the JSON in the string that was sent is of another type"
    raise refuse("invalid-request", 400, f"{place} must be {article}; {problem}.")


def _matching_branch(value: Any, schema: Schema) -> Schema:
    """Return the alternative of `anyOf` that takes the type of the value, or the schema itself."""
    for branch in schema.get("anyOf", ()):
        if any(_IS_OF_TYPE[name](value) for name in _types(branch)):
            return _matching_branch(value, branch)
    return schema


def _types(schema: Schema) -> frozenset[str]:
    """Return the types that a schema names, those of its alternatives included."""
    named = schema.get("type", ())
    types = {named} if isinstance(named, str) else set(named)
    for branch in schema.get("anyOf", ()):
        types |= _types(branch)
    return frozenset(types)
