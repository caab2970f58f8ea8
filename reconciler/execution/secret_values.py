"""Secrets of calls and actions: which ones are sent, and their values at the time of the call.

Values are inserted into calls only here, and revealed only by `reconciler.remote.wire_secrets`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.domain.calls import Call
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import Path, Tree, Value, leaves, references
from reconciler.planning.actions import Action, ActionKind, ChangeKind
from reconciler.planning.credentials import LITERAL
from reconciler.planning.normalize import normalize


def with_values(call: Call, values: Mapping[SecretRef, Redacted]) -> Call:
    """Return the call with every reference replaced by its (unprintable) value.

    Raises KeyError for a reference without a value, which a run rules out before its first write.
    """
    if call.body is None:
        return call
    body: Tree = {name: _with_values(item, values) for name, item in call.body.items()}
    return replace(call, body=body)


def _with_values(value: Value, values: Mapping[SecretRef, Redacted]) -> Value:
    match value:
        case SecretRef():
            return values[value]
        case Mapping():
            return {name: _with_values(item, values) for name, item in value.items()}
        case list() | tuple():
            return [_with_values(item, values) for item in value]
        case _:
            return value


def references_of(call: Call) -> set[SecretRef]:
    """Return the references whose values a call needs."""
    return {reference for _, reference in references(call.body or {})}


def carries_secret(call: Call) -> bool:
    """Whether a call sends a value that a later read cannot show."""
    literals = (value for _, value in leaves(call.body or {}) if isinstance(value, Redacted))
    return bool(references_of(call)) or any(True for _ in literals)


def sent_secrets(
    action: Action, values: Mapping[SecretRef, Redacted]
) -> Iterator[tuple[Path, SecretRef, Redacted]]:
    """Yield the secrets that an action sends, with their values.

    A new integration gets all declared secrets, an existing one those that the action lists.
    """
    declared = action.subject.declared
    if declared is None:
        return
    is_new = action.kind in {ActionKind.CREATE, ActionKind.REPLACE}
    listed = {
        change.path
        for change in action.changes
        if change.sensitive and change.op is not ChangeKind.REMOVE
    }
    for path, leaf in leaves(normalize(declared.fields)):
        if not is_new and show_path(path) not in listed:
            continue
        if isinstance(leaf, Redacted):
            yield path, LITERAL, leaf
        elif isinstance(leaf, SecretRef) and leaf in values:
            yield path, leaf, values[leaf]
