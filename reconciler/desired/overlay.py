"""Merge patches over integrations, so that every leaf keeps its file and line (product.md §3.3).

A map merges, a keyed list merges by key, anything else replaces; null withdraws the declaration.
Merging works on what the files say, before anything is checked.
"""

from copy import deepcopy
from typing import Any, Protocol

from reconciler.desired.findings import Origin, Sourced, Steps
from reconciler.desired.scalars import Plain
from reconciler.domain.fields import KEYED_LISTS

REMOVE = "$remove"
_TRUE = Plain("true")


class Say(Protocol):
    """Receives an error and where it is."""

    def __call__(self, code: str, summary: str, origin: Origin, *, hint: str = "") -> None: ...


def apply_patch(document: Sourced, patch: dict[str, Any], origin: Origin, say: Say) -> Sourced:
    """Give a new document with the patch merged in; `document` stays as it is."""
    merging = _Merging(dict(document.moved), document, say)
    value = deepcopy(document.value)
    merging.into_map(value, patch, (), origin)
    return Sourced(value, document.origin, document.line, merging.moved)


def add_entries(document: Sourced, name: str, entries: list[Any], origin: Origin) -> Sourced:
    """Give a new document with entries behind those of a keyed list, as they are written."""
    value = {**document.value, name: [*(document.value.get(name) or ()), *entries]}
    moved = dict(document.moved)
    first = len(value[name]) - len(entries)
    if not first:
        moved[name,] = origin
    for index in range(len(entries)):
        moved[name, first + index] = origin.at(index)
    return Sourced(value, document.origin, document.line, moved)


class _Merging:
    def __init__(self, moved: dict[Steps, Origin], before: Sourced, say: Say) -> None:
        self.moved = moved
        self.before = before
        self.say = say

    def into_map(
        self, target: dict[str, Any], patch: dict[str, Any], at: Steps, origin: Origin
    ) -> None:
        for key, item in patch.items():
            here, source = (*at, key), origin.at(key)
            present = target.get(key)
            if item is None:
                target.pop(key, None)
                self._forget(here)
            elif isinstance(item, dict) and (present is None or isinstance(present, dict)):
                if present is None:
                    present = target[key] = {}
                    self._put(here, source)
                self.into_map(present, item, here, source)
            elif _is_keyed(key, item) and (not present or _is_keyed(key, present)):
                self._into_list(target, key, item, here, source)
            else:
                target[key] = deepcopy(item)
                self._put(here, source)

    def _into_list(
        self, target: dict[str, Any], key: str, patch: list[Any], here: Steps, origin: Origin
    ) -> None:
        """Merge by identity; the order of what was there stays, new entries follow."""
        identity = KEYED_LISTS[key]
        if not target.get(key):
            target[key] = []
            self._put(here, origin)
        entries = _Entries(self, target[key], here)
        for index, item in enumerate(patch):
            source, name = origin.at(index), str(item[identity])
            known = entries.position(identity, name)
            if item.get(REMOVE) == _TRUE:
                if known is None:
                    summary = f"there is no `{name}` in `{key}` to remove"
                    self.say("unknown-entry", summary, source.at(identity))
                else:
                    entries.drop(known)
            elif known is None:
                entries.append({}, source)
                self.into_map(entries.values[-1], item, (*here, len(entries.values) - 1), source)
            else:
                change = {field: value for field, value in item.items() if field != identity}
                self.into_map(entries.values[known], change, (*here, known), source)

    def _put(self, here: Steps, origin: Origin) -> None:
        self._forget(here)
        self.moved[here] = origin

    def _forget(self, here: Steps) -> None:
        for path in [p for p in self.moved if p[: len(here)] == here]:
            del self.moved[path]

    def origin_of(self, path: Steps) -> Origin:
        document = Sourced(None, self.before.origin, 1, self.moved)
        return document.origin_of(path)


class _Entries:
    """A keyed list while it changes: dropping an entry moves the origins of those behind it."""

    def __init__(self, merging: _Merging, values: list[Any], here: Steps) -> None:
        self.merging = merging
        self.values = values
        self.here = here
        for index in range(len(values)):
            at = (*here, index)
            merging.moved.setdefault(at, merging.origin_of(at))

    def position(self, identity: str, name: str) -> int | None:
        """Find an entry by its identity."""
        found = (i for i, v in enumerate(self.values) if str(v[identity]) == name)
        return next(found, None)

    def append(self, value: dict[str, Any], origin: Origin) -> None:
        """Add an entry at the end."""
        self.merging.moved[*self.here, len(self.values)] = origin
        self.values.append(value)

    def drop(self, index: int) -> None:
        """Remove an entry and let those behind it move up."""
        del self.values[index]
        depth = len(self.here)
        moved: dict[Steps, Origin] = {}
        for path, origin in self.merging.moved.items():
            step = path[depth] if path[:depth] == self.here and len(path) > depth else None
            if not isinstance(step, int) or step < index:
                moved[path] = origin
            elif step > index:
                moved[*path[:depth], step - 1, *path[depth + 1 :]] = origin
        self.merging.moved = moved


def _is_keyed(key: str, value: Any) -> bool:
    """Tell whether this is a list whose entries can be told apart; an empty one just replaces."""
    identity = KEYED_LISTS.get(key)
    return (
        identity is not None
        and isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get(identity), str) for item in value)
    )
