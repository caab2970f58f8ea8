"""Values that `lifecycle.ignore` excludes: neither compared nor changed.

What is left of a tree without them must not look like a declaration: an empty mapping declares that
nothing exists, a missing entry that it was withdrawn, and access without a switch that it is off.
"""

from collections.abc import Collection

from reconciler.domain.schema import FieldSchema
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    is_empty,
    is_enabled,
    is_mapping,
)
from reconciler.planning.normalize import OFF, allows_all_models

_SWITCH = "enabled"
_LISTS = ("models", "workspaces")


def without_paths(tree: Tree, paths: Collection[Path]) -> dict[str, Value]:
    """Return a tree without the values at or below these paths, and mappings that this empties."""
    # Grouped by first step, so that a map is copied once, however many of its entries are removed.
    below: dict[str, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    result = dict(tree)
    for name, rests in below.items():
        inner = result.get(name)
        if () in rests:
            result.pop(name, None)
        elif is_mapping(inner) and inner:
            rest = without_paths(inner, rests)
            if rest:
                result[name] = rest
            else:
                del result[name]
    return result


def without_withdrawn(past: Tree, ignored: Collection[Path]) -> Tree:
    """Return the earlier declarations of Git without ignored values, which no file withdraws."""
    if not ignored or not past:
        return past
    entries = [path[:2] for path in ignored if path[0] in _LISTS and path[2:] == (_SWITCH,)]
    return without_paths(past, [*ignored, *entries])


def with_ignored_kept(
    desired: Tree, declared: Tree, stored: Tree, ignored: Collection[Path], schema: FieldSchema
) -> dict[str, Value]:
    """Return `desired` so that no ignored value changes.

    `declared` is the whole file, `desired` that without ignored values. What a file declares empty
    is cleared member by member, except for ignored ones; ignored access has its stored switch.
    """
    # A list of access that is declared empty is not cleared by members, but switched off below.
    walked = [path for path in ignored if path[0] not in _LISTS or desired.get(path[0])]
    result = _cleared_around(desired, stored, walked, schema)
    for name in {path[0] for path in ignored if path[1:] == (_SWITCH,)} & declared.keys():
        # Only access has a switch; a label may have the same name.
        if _SWITCH in schema.child(name).fields:
            access = as_mapping(result.get(name))
            result[name] = {**access, _SWITCH: is_enabled(stored.get(name))}
    for name in _LISTS:
        entries, listed = as_mapping(declared.get(name)), as_mapping(stored.get(name))
        hidden = _ignored_entries(name, ignored)
        # An empty list withdraws all others.
        others: Tree = {} if entries else dict.fromkeys(listed, OFF)
        hidden &= entries.keys() | others.keys()
        if name in declared and hidden:
            kept = {**others, **as_mapping(result.get(name))}
            result[name] = kept | {
                key: {**as_mapping(kept.get(key)), _SWITCH: _switch(name, key, desired, stored)}
                for key in hidden
            }
    return result


def _cleared_around(
    desired: Tree, stored: Tree, ignored: Collection[Path], schema: FieldSchema
) -> dict[str, Value]:
    """Return `desired` with explicit members in place of an empty mapping around ignored values."""
    result = dict(desired)
    for name in {path[0] for path in ignored if len(path) > 1} & desired.keys():
        value, held = desired[name], stored.get(name)
        if not is_mapping(held):
            continue
        below = [path[1:] for path in ignored if path[0] == name]
        inner = schema.child(name)
        if not is_empty(value):
            result[name] = _cleared_around(as_mapping(value), held, below, inner)
            continue
        cleared = without_paths(_cleared(held, below, inner), below)
        if cleared:
            result[name] = cleared
        else:
            del result[name]
    return result


def _cleared(held: Tree, ignored: Collection[Path], schema: FieldSchema) -> dict[str, Value]:
    """Return a mapping that clears each member; the ones around an ignored value are walked."""
    result: dict[str, Value] = {}
    for name, value in held.items():
        below = [path[1:] for path in ignored if path[0] == name and len(path) > 1]
        inner = schema.child(name)
        if below and is_mapping(value):
            members = _cleared(value, below, inner)
            if members:
                result[name] = members
        # No write removes what the server adds.
        elif not inner.facts.server_added:
            result[name] = None
    return result


def _ignored_entries(name: str, ignored: Collection[Path]) -> set[str]:
    """Return the entries of a list of access that are ignored as a whole, or whose switch is."""
    return {
        path[1]
        for path in ignored
        if path[0] == name and len(path) > 1 and path[2:] in {(), (_SWITCH,)}
    }


def _switch(name: str, key: str, desired: Tree, stored: Tree) -> bool:
    """Return the switch of an entry in the API."""
    listed = as_mapping(stored.get(name))
    if key in listed:
        return is_enabled(listed[key])
    # A model that the API does not list follows the switch of all models.
    return name == "models" and allows_all_models(desired, stored)
