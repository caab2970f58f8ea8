"""Which places of the files have to change so that they say what the API has.

A declared value that differs is replaced where it was written, an overlay included. What no file
declares stays undeclared, apart from new entries of a list that is declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from reconciler.desired.export_secrets import Naming
from reconciler.desired.findings import Origin, Sourced, Steps
from reconciler.domain.fields import (
    IMMUTABLE_FIELDS,
    KEYED_LISTS,
    SINGLE_ENTRY_LISTS,
    WORKSPACES_FIELDS,
    is_uuid,
)
from reconciler.domain.memory import Remembered
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path, is_empty, lookup
from reconciler.planning.comparison import Comparison, Site, compare
from reconciler.planning.diff import FieldChange, changed_fields

_ABSENT: Any = object()


class How(IntEnum):
    """What to do at a place, in the order in which it can be done without moving the others."""

    REPLACE = 0
    INSERT = 1
    APPEND = 2
    REMOVE = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file. `is_entry` tells that an entry of a keyed list is removed."""

    how: How
    origin: Origin
    value: Any = None
    is_entry: bool = False


def drifted(
    declared: Declared,
    observed: Observed,
    *,
    document: Sourced,
    remembered: Remembered,
    exported: Mapping[str, Any],
    naming: Naming,
) -> list[Edit]:
    """Give the edits after which the files declare what is observed.

    `document` is the merged one that `declared` was made of, `exported` the whole of what the API
    reports in the form of files.
    """
    comparison = compare(declared, observed, remembered)
    finder = _Finder(document, exported, comparison)
    skipped = _of_another_form(comparison)
    edits: list[Edit] = []
    for change in changed_fields(comparison.found, comparison.wanted):
        if change.path[0] not in skipped and not _is_moot(change, comparison):
            edits += finder.edit(change)
    for path in (*comparison.undeclared_access, *_undeclared_entries(comparison)):
        edits += finder.missing(path)
    for site in comparison.sites:
        edits += finder.secret(site, naming)
    unique = {(edit.how, edit.origin): edit for edit in edits}
    return [unique[key] for key in sorted(unique, key=_order)]


def _order(key: tuple[How, Origin]) -> Any:
    how, origin = key
    steps = [(isinstance(s, int), s if isinstance(s, int) else 0, str(s)) for s in origin.path]
    if how is not How.REMOVE:
        return how, origin.file, origin.index, steps
    # Entries are removed from behind, so that the numbers of those in front stay true.
    return how, origin.file, -origin.index, [(kind, -number, text) for kind, number, text in steps]


@dataclass(frozen=True, slots=True)
class _Finder:
    document: Sourced
    exported: Mapping[str, Any]
    comparison: Comparison

    def edit(self, change: FieldChange) -> list[Edit]:
        """Find where one difference has to be mended."""
        entry = _entry_of(change.path)
        if not change.had and entry and lookup(self.comparison.found, entry) is None:
            return self._removed(entry, is_entry=True)
        if not change.had:
            return self._removed(change.path)
        return self._set(change.path, _at(self.exported, change.path, otherwise=change.before))

    def missing(self, path: Path) -> list[Edit]:
        """Find where something that is only in the API has to be added."""
        value = _at(self.exported, path, otherwise=_ABSENT)
        return [] if value is _ABSENT else self._set(path, value)

    def secret(self, site: Site, naming: Naming) -> list[Edit]:
        """Adopt a sensitive value that is declared as a literal or as empty; references stay."""
        declared, stored = site.declared, site.stored
        if isinstance(declared, SecretRef):
            return []
        if isinstance(declared, Redacted):
            if is_empty(stored):
                return self._removed(site.path)
            if isinstance(stored, Mask):
                if declared.judged_by(stored) is not MaskVerdict.CONTRADICTS:
                    return []
                return self._set(site.path, naming.reference(site.path))
            return [] if declared.equals(stored) else self._set(site.path, stored)
        if is_empty(stored):
            return []
        return self._set(site.path, _at(self.exported, site.path, otherwise=stored))

    def _set(self, path: Path, value: Any) -> list[Edit]:
        """Replace what stands at a path, or add it to the innermost thing that is there."""
        steps, covered, node = _walk(self.document.value, path)
        origin = self.document.origin_of(steps)
        if covered == len(path):
            return [Edit(How.REPLACE, origin, value)]
        if not steps or (isinstance(node, dict) and node):
            whole = _at(self.exported, path[: covered + 1], otherwise=value)
            return [Edit(How.INSERT, origin.at(path[covered]), whole)]
        whole = _at(
            self.exported, path[: covered + (1 if _is_list(node) else 0)], otherwise=_ABSENT
        )
        if whole is _ABSENT:
            return []
        return [Edit(How.APPEND if _is_list(node) else How.REPLACE, origin, whole)]

    def _removed(self, path: Path, *, is_entry: bool = False) -> list[Edit]:
        steps, covered, _ = _walk(self.document.value, path)
        if covered < len(path):
            return []
        return [Edit(How.REMOVE, self.document.origin_of(steps), is_entry=is_entry)]


def _is_list(node: Any) -> bool:
    return isinstance(node, list) and bool(node)


def _walk(value: Any, path: Path) -> tuple[Steps, int, Any]:
    """Follow a path as far as it goes: the steps, how many names they cover, what is there."""
    steps: list[int | str] = []
    node = value
    for covered, name in enumerate(path):
        if isinstance(node, list):
            step = _index(node, path, covered)
            if step is None:
                return tuple(steps), covered, node
            node = node[step]
            steps.append(step)
            if covered and path[covered - 1] in KEYED_LISTS:
                continue
        if not isinstance(node, dict) or name not in node:
            return tuple(steps), covered, node
        node = node[name]
        steps.append(name)
    return tuple(steps), len(path), node


def _index(entries: list[Any], path: Path, covered: int) -> int | None:
    """Find an entry of a list by its identity; a list of at most one has only its first."""
    holder = path[covered - 1] if covered else ""
    if holder in SINGLE_ENTRY_LISTS:
        return 0 if entries else None
    key = KEYED_LISTS.get(holder)
    for index, entry in enumerate(entries):
        if key and isinstance(entry, dict) and entry.get(key) == path[covered]:
            return index
    return None


def _at(tree: Any, path: Path, *, otherwise: Any) -> Any:
    """Give what a document holds at a path."""
    _, covered, node = _walk(tree, path)
    return node if covered == len(path) else otherwise


def _entry_of(path: Path) -> Path | None:
    """Give the path of the entry of a keyed list that a path leads into."""
    at = next((i for i, name in enumerate(path[:-1]) if name in KEYED_LISTS), None)
    return None if at is None else path[: at + 2]


def _undeclared_entries(comparison: Comparison) -> list[Path]:
    """Give the entries of declared lists that only the API has; access is judged by planning."""
    entries = {_entry_of(path) for path in comparison.undeclared}
    return [
        entry
        for entry in sorted(entry for entry in entries if entry is not None)
        if entry[0] not in {"models", "workspaces"}
        and lookup(comparison.settled, entry[:-1])
        and not (
            entry[0] == "secret_mappings"
            and lookup(comparison.settled, tuple(entry[1].split("."))) is not None
        )
    ]


def _is_moot(change: FieldChange, comparison: Comparison) -> bool:
    """Tell whether a limit differs only because access has been taken away as a whole."""
    if change.had or change.path[0] not in WORKSPACES_FIELDS or change.path[-1] == "enabled":
        return False
    holder = change.path[: 1 if change.path[0] == "global_workspace_access" else 2]
    found = lookup(comparison.found, holder)
    return isinstance(found, Mapping) and found.get("enabled") is False


def _of_another_form(comparison: Comparison) -> set[str]:
    """Give the ids that planning does not compare: a UUID on one side, a slug on the other."""
    want, have = comparison.settled, comparison.have
    return {
        name
        for name in IMMUTABLE_FIELDS
        if want.get(name) and have.get(name) and is_uuid(want[name]) != is_uuid(have[name])
    }
