"""Merge the patches of environments into integrations, with the origin of every value.

A map is merged, a keyed list is merged by key, any other value is replaced; null removes the
declaration. Merging works on the data of the files, before anything is checked.
"""

from collections import Counter
from copy import deepcopy
from typing import Any, Protocol, TypeGuard

from reconciler.desired.problem_collector import Sourced, SourceOrigin, Steps
from reconciler.desired.yaml_values import Data, Plain
from reconciler.domain.schema import FieldSchema, any_provider_schema

REMOVE = "$remove"
# Files are merged before scalars get their types, so that `true` is still a `Plain`.
_TRUE = Plain("true")


class ReportProblem(Protocol):
    """Receives an error and its origin."""

    def __call__(
        self, code: str, summary: str, origin: SourceOrigin, *, hint: str = ""
    ) -> None: ...


def apply_patch(
    document: Sourced, patch: dict[str, Data], origin: SourceOrigin, report: ReportProblem
) -> Sourced:
    """Return a document with the patch merged in; `document` is not changed."""
    merge = _Merge(dict(document.moved), document, report)
    # A deep copy, because the base is patched again for the next environment.
    value = deepcopy(document.value)
    merge.into_map(value, patch, (), origin, any_provider_schema())
    return Sourced(value, document.origin, document.line, merge.moved)


class _Merge:
    """One merge: `moved` collects the origins of values that come from the patch."""

    def __init__(
        self, moved: dict[Steps, SourceOrigin], before: Sourced, report: ReportProblem
    ) -> None:
        self.moved = moved
        self.before = before
        self.report = report

    def into_map(
        self,
        target: dict[str, Data],
        patch: dict[str, Data],
        at: Steps,
        origin: SourceOrigin,
        schema: FieldSchema,
    ) -> None:
        for key, item in patch.items():
            here, source, field = (*at, key), origin.at(key), schema.child(key)
            present = target.get(key)
            # As in a JSON merge patch (RFC 7396).
            if item is None:
                target.pop(key, None)
                self._forget(here, present)
            elif isinstance(item, dict) and (present is None or isinstance(present, dict)):
                # Merged into an empty map instead of copied, so that a null in the patch still
                # removes.
                if present is None:
                    present = target[key] = {}
                    self.moved[here] = source
                self.into_map(present, item, here, source, field)
            elif _is_keyed(item, field) and (not present or _is_keyed(present, field)):
                self._into_list(target, field, item, here, source)
            else:
                target[key] = deepcopy(item)
                self._forget(here, present)
                self.moved[here] = source

    def _into_list(
        self,
        target: dict[str, Data],
        field: FieldSchema,
        patch: list[dict[str, Any]],
        here: Steps,
        origin: SourceOrigin,
    ) -> None:
        """Merge a keyed list by its keys; existing entries keep their order, new ones follow."""
        key, identity, inside = field.name, field.key or "", field.entries or field
        if not target.get(key):
            target[key] = []
            self.moved[here] = origin
        entries = _Entries(self, target, field, here)
        patched: set[str] = set()
        for index, item in enumerate(patch):
            source, name = origin.at(index), str(item[identity])
            if name in patched:
                summary = f"`{name}` is listed twice in `{key}` of this file"
                hint = "keep one of the two"
                self.report("duplicate-entry", summary, source.at(identity), hint=hint)
                continue
            patched.add(name)
            if item.get(REMOVE) == _TRUE:
                if not entries.drop(name):
                    summary = f"`{key}` has no entry `{name}` to remove"
                    hint = "correct the name, or remove the line"
                    self.report("unknown-entry", summary, source.at(identity), hint=hint)
                continue
            known = entries.positions.get(name)
            if known is None:
                entry, at = entries.append(name, source)
                self.into_map(entry, item, at, source, inside)
            else:
                # Without the key, which is equal: its origin remains the file that declared the
                # entry.
                change = {name: value for name, value in item.items() if name != identity}
                self.into_map(entries.values[known], change, (*here, known), source, inside)
        entries.close()

    def _forget(self, here: Steps, previous: Data) -> None:
        """Drop the origins of a replaced value and of everything inside it."""
        self.moved.pop(here, None)
        if isinstance(previous, dict | list):
            for path in [p for p in self.moved if p[: len(here)] == here]:
                del self.moved[path]

    def origin_of(self, path: Steps) -> SourceOrigin:
        """Return the origin of a value during the merge."""
        return Sourced(None, self.before.origin, 1, self.moved).origin_of(path)


class _Entries:
    """A keyed list while it is merged; a dropped entry leaves a gap until `close`."""

    def __init__(
        self, merge: _Merge, holder: dict[str, Any], field: FieldSchema, here: Steps
    ) -> None:
        self.merge = merge
        self.holder = holder
        self.key = field.name
        self.here = here
        self.values: list[Any] = holder[field.name]
        identity = field.key or ""
        self.positions: dict[str, int] = {}
        for index, value in enumerate(self.values):
            self.positions.setdefault(str(value[identity]), index)
        times = Counter(str(value[identity]) for value in self.values)
        self.duplicates = {name for name, count in times.items() if count > 1}
        # Done while paths are still those of the files, because `close` moves origins by their
        # index.
        for index in range(len(self.values)):
            at = (*here, index)
            merge.moved.setdefault(at, merge.origin_of(at))

    def append(self, name: str, origin: SourceOrigin) -> tuple[dict[str, Any], Steps]:
        """Add an empty entry at the end; return it and its path."""
        at = (*self.here, len(self.values))
        entry: dict[str, Any] = {}
        self.positions[name] = len(self.values)
        self.merge.moved[at] = origin
        self.values.append(entry)
        return entry, at

    def drop(self, name: str) -> bool:
        """Remove an entry; return False if there is none of this name.

        An entry that is listed twice stays, so that the duplicate is reported: without the first of
        the two, the second would still declare what the patch removes.
        """
        if name in self.duplicates:
            return True
        position = self.positions.pop(name, None)
        if position is None:
            return False
        self.values[position] = None
        return True

    def close(self) -> None:
        """Close the gaps: later entries move up, with their origins."""
        kept = [i for i, value in enumerate(self.values) if value is not None]
        if len(kept) == len(self.values):
            return
        rank = {old: new for new, old in enumerate(kept)}
        depth = len(self.here)
        moved: dict[Steps, SourceOrigin] = {}
        for path, origin in self.merge.moved.items():
            if path[:depth] != self.here or len(path) == depth:
                moved[path] = origin
            elif (step := path[depth]) in rank:
                moved[*path[:depth], rank[int(step)], *path[depth + 1 :]] = origin
        self.merge.moved = moved
        self.holder[self.key] = [self.values[i] for i in kept]


def _is_keyed(value: Data, field: FieldSchema) -> TypeGuard[list[dict[str, Any]]]:
    """Return whether a value is a list whose entries have keys; an empty list has none."""
    identity = field.key
    return (
        identity is not None
        and isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get(identity), str) for item in value)
    )
