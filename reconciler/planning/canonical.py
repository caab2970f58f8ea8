"""Bring both sides into one comparable form.

Lists with an identity become mappings by it, lists of at most one entry become that entry, numbers
lose their accidental type. Nothing is compared here; see `comparison`.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.domain.fields import FALSE_BY_DEFAULT, KEYED_LISTS, SINGLE_ENTRY_LISTS
from reconciler.domain.state import DesiredState, Observed
from reconciler.domain.text import repaired_tree
from reconciler.domain.tree import Tree, Value, digest, plain
from reconciler.planning.instants import INSTANT_NAMES, normalized


def canonical(tree: Tree) -> dict[str, Any]:
    """Give a tree in which the order of lists with an identity does not exist."""
    return {name: _canonical(value, name) for name, value in tree.items()}


def _canonical(value: Value, name: str) -> Any:
    # A tag or a header may bear the name of a list; only a list is brought into its form.
    if value is None or isinstance(value, list | tuple):
        if name in KEYED_LISTS:
            return _by_identity(value, KEYED_LISTS[name])
        if name in SINGLE_ENTRY_LISTS:
            return _only_entry(value)
    match value:
        case str() if name in INSTANT_NAMES:
            return normalized(value)
        case str() | int() | None:  # first, for most values are: what follows asks an ABC
            return value
        case Mapping():
            return {
                key: _canonical(item, key)
                for key, item in value.items()
                if not (key in FALSE_BY_DEFAULT and item is False)
            }
        case list() | tuple():
            return [_canonical(item, "") for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _by_identity(entries: Value, key: str) -> dict[str, Any]:
    if not isinstance(entries, list | tuple):
        return {}
    result = {}
    for entry in entries:
        if isinstance(entry, Mapping):
            rest = {name: item for name, item in entry.items() if name != key}
            result[str(entry.get(key))] = _canonical(rest, "")
    return result


def _only_entry(entries: Value) -> Any:
    if isinstance(entries, list | tuple) and entries:
        return _canonical(entries[0], "")
    return {}


def as_list(key: str, entries: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn a mapping by identity back into the list that the API wants, in order of identity."""
    return [{key: identity, **entries[identity]} for identity in sorted(entries)]


def desired_digest(desired: DesiredState) -> str:
    """Identify what the files say; neither places nor any order count."""
    integrations = {
        slug: {"fields": plain(canonical(d.fields)), "protected": d.lifecycle.protected}
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
    fields = repaired_tree(plain(canonical(observed.fields)))
    return digest({"status": observed.status, "fields": fields})
