"""Bring both sides into one comparable form.

Lists with an identity become mappings by it, lists of at most one entry become that entry, numbers
lose their accidental type. Nothing is compared here; see `comparison`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema
from reconciler.domain.state import DesiredState, Observed
from reconciler.domain.surrogates import repaired_tree
from reconciler.domain.tree import Tree, Value, digest, plain
from reconciler.planning.instants import normalized


def normalize(tree: Tree) -> dict[str, Any]:
    """Return a tree in which the order of lists with an identity does not exist."""
    fields = any_provider_schema().fields
    return {name: _canonical(value, fields.get(name, UNKNOWN)) for name, value in tree.items()}


def _canonical(value: Value, field: FieldSchema) -> Any:
    match value:
        case str():  # first, for most values are: what follows asks an ABC
            return normalized(value) if field.facts.instant else value
        case bool() | int():
            return value
        case None:
            return {} if field.key is not None or field.kind is FieldKind.SINGLE else None
        case dict() | Mapping():
            return _members(value, field)
        case list() | tuple():
            return _entries(value, field)
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _members(tree: Mapping[str, Value], field: FieldSchema, without: str | None = None) -> Any:
    fields, others = field.fields, field.entries or UNKNOWN
    members = {}
    for name, item in tree.items():
        inner = fields.get(name, others)
        if name != without and not (item is False and inner.false_is_absent):
            members[name] = _canonical(item, inner)
    return members


def _entries(entries: Sequence[Value], field: FieldSchema) -> Any:
    """Turn a list of a known kind into a mapping by identity, or into its only entry."""
    inner, key = field.entries or UNKNOWN, field.key
    if key is not None:
        mappings = [entry for entry in entries if isinstance(entry, Mapping)]
        return {str(entry.get(key)): _members(entry, inner, without=key) for entry in mappings}
    if field.kind is FieldKind.SINGLE:
        return _canonical(entries[0], inner) if entries else {}
    return [_canonical(item, inner) for item in entries]


def as_list(key: str, entries: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn a mapping by identity back into the list that the API wants, in order of identity."""
    return [{key: identity, **entries[identity]} for identity in sorted(entries)]


def desired_digest(desired: DesiredState) -> str:
    """Identify what the files say; neither places nor any order count."""
    integrations = {
        slug: {"fields": plain(normalize(d.fields)), "protected": d.lifecycle.protected}
        for slug, d in desired.integrations.items()
    }
    return digest({"integrations": integrations, "tombstones": sorted(desired.tombstones)})


def fingerprint(observed: Observed | None) -> str | None:
    """Identify what an integration looked like, masks included; None for one that is absent.

    The time of the last update is left out: a write that changed nothing does not matter. Half a
    character counts as U+FFFD, for so the ledger has it.
    """
    if observed is None:
        return None
    fields = repaired_tree(plain(normalize(observed.fields)))
    return digest({"status": observed.status, "fields": fields})
