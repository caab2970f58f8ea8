"""Judge parameters and bodies by JSON Schema, and say what is wrong without repeating a value.

The messages of the library quote the value they object to, which may be a provider's key; these
here name the place and the rule only.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from reconciler.adapter.json_limits import MAX_DEPTH, is_too_deep
from reconciler.adapter.problems import refuse

_SHOWN: Final = 5
_NAME_LENGTH: Final = 60


def _pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    # `$` also matches before a newline at the end, and a slug with one would pass.
    strict = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and re.search(strict, instance) is None:
        yield ValidationError("does not match")


_make: Any = extend  # untyped in the library's stubs
_Validator: type[Draft202012Validator] = _make(Draft202012Validator, {"pattern": _pattern})


class Checker:
    """Checks instances of one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = _Validator(plain_schema(schema))

    def check(self, instance: Any, *, what: str = "") -> None:
        """Raise the refusal (400) that names what is wrong; `what` stands before each place."""
        if is_too_deep(instance):
            detail = f"{what or 'the input'} is nested deeper than {MAX_DEPTH} levels."
            raise refuse("invalid-request", 400, detail)
        found = [*_first(self._validator.iter_errors(instance))]
        if found:
            detail = "; ".join(_sentence(error, what) for error in found)
            raise refuse("invalid-request", 400, detail + ".")


def plain_schema(schema: Any) -> Any:
    """Copy a schema of read-only mappings into dicts and lists, as libraries and JSON want it."""
    if isinstance(schema, Mapping):
        return {key: plain_schema(value) for key, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [plain_schema(item) for item in schema]
    return schema


def _first(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    for error, _ in zip(errors, range(_SHOWN), strict=False):
        yield error


def _sentence(error: ValidationError, what: str) -> str:
    parts = [what, *(printable_name(str(part)) for part in error.absolute_path)]
    if "propertyNames" in error.absolute_schema_path:
        parts.append(printable_name(str(error.instance)))
    place = ".".join(part for part in parts if part) or "the input"
    return f"{place} {_rule(error)}"


def _rule(error: ValidationError) -> str:
    """Say which rule is broken, from the rule alone."""
    value: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = [value] if isinstance(value, str) else value
            return f"must be of type {' or '.join(kinds)}"
        case "additionalProperties":
            return f"has unknown fields: {', '.join(_unknown(error))}"
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
            return f"breaks the rule {error.validator}"


def _unknown(error: ValidationError) -> list[str]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    return sorted(printable_name(str(name)) for name in instance if name not in known)[:_SHOWN]


def printable_name(name: str) -> str:
    """Return a name that the caller chose, short and printable."""
    return "".join(c if c.isprintable() else "?" for c in name[:_NAME_LENGTH])
