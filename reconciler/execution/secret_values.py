"""Put secret values into a call, at the last moment and nowhere else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.domain.calls import Call
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import Value, leaves


def with_values(call: Call, values: Mapping[SecretRef, Redacted]) -> Call:
    """Give the call with every reference replaced by its (unprintable) value.

    Raises KeyError for a reference without one; the run checks that before its first write.
    """
    if call.body is None:
        return call
    return replace(call, body=_filled(call.body, values))


def _filled(value: Value, values: Mapping[SecretRef, Redacted]) -> Any:
    match value:
        case SecretRef():
            return values[value]
        case Mapping():
            return {key: _filled(item, values) for key, item in value.items()}
        case list() | tuple():
            return [_filled(item, values) for item in value]
        case _:
            return value


def references(call: Call) -> set[SecretRef]:
    """Give the references whose values a call needs."""
    return set(_references(call.body)) if call.body is not None else set()


def _references(value: Value) -> list[SecretRef]:
    if isinstance(value, SecretRef):
        return [value]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in _references(item)]
    if isinstance(value, list | tuple):
        return [ref for item in value for ref in _references(item)]
    return []


def carries_secret(call: Call) -> bool:
    """Tell whether reading back cannot show all of what a call sends."""
    if call.body is None:
        return False
    return bool(references(call)) or any(
        isinstance(value, Redacted) for _, value in leaves(call.body)
    )
