"""Validation of input by JSON Schema: arguments of tools, and queries and bodies of REST.

Messages name the path and the rule. They never repeat a value, as the library's own messages do,
because the value may be a provider's key.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from reconciler.adapter.json_limits import MAX_DEPTH, is_too_deep
from reconciler.adapter.problems import refuse
from reconciler.adapter.schemas import Schema
from reconciler.remote.exchange import parse_json

_MAX_ERRORS: Final = 5
_MAX_NAME_LENGTH: Final = 60


def _pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    # `$` also matches before a newline at the end, and a slug with one would pass.
    strict = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and re.search(strict, instance) is None:
        yield ValidationError("does not match")


_make: Any = extend  # untyped in the library's stubs
_Validator: type[Draft202012Validator] = _make(Draft202012Validator, {"pattern": _pattern})


class SchemaValidator:
    """Validator of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._validator = _Validator(plain_schema(schema))

    def check(self, instance: object, *, what: str = "") -> None:
        """Raise the refusal (400) that names each error; `what` precedes each path."""
        if is_too_deep(instance):
            detail = f"{what or 'the input'} is nested deeper than {MAX_DEPTH} levels."
            raise refuse("invalid-request", 400, detail)
        # Errors are found lazily, so a body with thousands of errors takes no longer than one with
        # five.
        errors = islice(self._validator.iter_errors(instance), _MAX_ERRORS)
        sentences = [_sentence(error, what) for error in errors]
        if sentences:
            raise refuse("invalid-request", 400, "; ".join(sentences) + ".")


def plain_schema(schema: Any) -> Any:
    """Copy a schema of read-only mappings into dicts and lists, as libraries and JSON need it."""
    if isinstance(schema, Mapping):
        return {key: plain_schema(value) for key, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [plain_schema(item) for item in schema]
    return schema


def read_arguments(arguments: Mapping[str, object], schema: Schema) -> dict[str, Any]:
    """Return the arguments of a tool call without unset parameters and with JSON text parsed.

    Clients that fill every parameter send null for those that are not set, and some send an object,
    a list, a number or a boolean as JSON text. A value that the schema accepts is unchanged. Raises
    the refusal (400) of text that does not contain the type that the schema requires; the refusal
    names the path but never the text. `SchemaValidator` checks the result.
    """
    return _read_object(arguments, schema, "")


def _read(value: object, schema: Schema, place: str) -> object:
    if isinstance(value, str):
        value = _parse_text(value, schema, place)
    # By type, because alternatives in the schemas of the operations always differ in type.
    branch = _matching_branch(value, schema)
    if isinstance(value, Mapping):
        return _read_object(value, branch, place)
    items = branch.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        return [_read(item, items, f"{place}.{n}") for n, item in enumerate(value)]
    return value


def _read_object(value: Mapping[str, object], schema: Schema, place: str) -> dict[str, object]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    additional = schema.get("additionalProperties")
    result = {}
    for name, member in value.items():
        member_schema = properties.get(name, additional)
        if not isinstance(member_schema, Mapping):
            result[name] = member
            continue
        member_place = f"{place}.{printable_name(name)}" if place else printable_name(name)
        read = _read(member, member_schema, member_place)
        is_optional = name in properties and name not in required
        # If the schema accepts null, it has a meaning, such as removing a limit.
        if read is None and is_optional and "null" not in _types(member_schema):
            continue
        result[name] = read
    return result


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    # JSON Schema counts 1.0 as an integer.
    return isinstance(value, int | float) and _is_number(value) and value == value // 1


_IS_OF_TYPE: Final[Mapping[str, Callable[[object], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, Mapping),
    "string": lambda value: isinstance(value, str),
}
_PARSED_FROM_TEXT: Final = frozenset({"array", "boolean", "integer", "number", "object"})


def _parse_text(text: str, schema: Schema, place: str) -> object:
    """Return the value that a string contains if the schema requires another type."""
    types = _types(schema)
    if "string" in types or not _PARSED_FROM_TEXT & types:
        return text
    expected = [name for name in sorted(types) if name != "null"]
    with_article = [f"{'an' if name[0] in 'aio' else 'a'} {name}" for name in expected]
    try:
        value = parse_json(text.encode())
    except (ValueError, RecursionError):
        # The library's error contains the whole text, which may be a credential.
        problem = "the string is not JSON"
    else:
        if value is None or any(_IS_OF_TYPE[name](value) for name in expected):
            return value
        problem = "the JSON in the string has another type"
    raise refuse("invalid-request", 400, f"{place} must be {' or '.join(with_article)}; {problem}.")


def _matching_branch(value: object, schema: Schema) -> Schema:
    """Return the alternative of `anyOf` for the type of the value, or the schema itself."""
    for branch in schema.get("anyOf", ()):
        if any(_IS_OF_TYPE[name](value) for name in _types(branch)):
            return _matching_branch(value, branch)
    return schema


def _types(schema: Schema) -> frozenset[str]:
    """Return the types that a schema names, including those of its alternatives."""
    named = schema.get("type", ())
    types = {named} if isinstance(named, str) else set(named)
    for branch in schema.get("anyOf", ()):
        types |= _types(branch)
    return frozenset(types)


def _sentence(error: ValidationError, what: str) -> str:
    parts = [what, *(printable_name(str(part)) for part in error.absolute_path)]
    # The path ends at the object; the name that breaks the rule is the instance itself.
    if "propertyNames" in error.absolute_schema_path:
        parts.append(printable_name(str(error.instance)))
    place = ".".join(part for part in parts if part) or "the input"
    return f"{place} {_broken_rule(error)}"


def _broken_rule(error: ValidationError) -> str:
    """Return the predicate of the sentence, built from the rule alone."""
    value: Any = error.validator_value
    match error.validator:
        case "type":
            types = [value] if isinstance(value, str) else value
            return f"must be of type {' or '.join(types)}"
        case "additionalProperties":
            return f"has unknown fields: {', '.join(_unknown_fields(error))}"
        case "required":
            present: Any = error.instance
            return f"lacks {', '.join(name for name in value if name not in present)}"
        case "enum":
            return f"must be one of {', '.join(str(item) for item in value)}"
        case "pattern":
            return f"must match {value}"
        case "minimum" | "minLength" | "minItems":
            return f"is below the {error.validator} of {value}"
        case "maximum" | "maxLength" | "maxItems":
            return f"is above the {error.validator} of {value}"
        case _:
            return f"does not satisfy the rule {error.validator}"


def _unknown_fields(error: ValidationError) -> list[str]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    return sorted(printable_name(str(name)) for name in instance if name not in known)[:_MAX_ERRORS]


def printable_name(name: str) -> str:
    """Return a name that the caller chose, short and printable."""
    return "".join(c if c.isprintable() else "?" for c in name[:_MAX_NAME_LENGTH])
