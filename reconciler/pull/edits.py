"""Which places of the files have to change so that they say what the API has.

A declared value that differs is replaced where it was written, an overlay included. What no file
declares stays undeclared, apart from new entries of a list that is declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from reconciler.desired.problem_collector import Sourced, SourceOrigin, Steps
from reconciler.desired.references import SecretNames
from reconciler.domain.facts import SubResource
from reconciler.domain.last_applied import LastApplied
from reconciler.domain.schema import (
    UNKNOWN,
    FieldKind,
    FieldSchema,
    any_provider_schema,
)
from reconciler.domain.secret_mappings import MAPPINGS, target_path
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path, is_empty, lookup
from reconciler.planning.comparison import Comparison, SecretLocation, compare
from reconciler.planning.diff import FieldChange, changed_fields
from reconciler.planning.identifier_forms import differing_forms

_ABSENT: Any = object()


class EditKind(IntEnum):
    """What to do at a place, in the order in which it can be done without moving the others."""

    REPLACE = 0
    INSERT = 1
    APPEND = 2
    REMOVE = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file. `is_entry` tells that an entry of a keyed list is removed."""

    how: EditKind
    origin: SourceOrigin
    value: Any = None
    is_entry: bool = False


def drifted(
    declared: Declared,
    observed: Observed,
    *,
    document: Sourced,
    remembered: LastApplied,
    exported: Mapping[str, Any],
    naming: SecretNames,
) -> list[Edit]:
    """Give the edits after which the files declare what is observed.

    `document` is the merged one that `declared` was made of, `exported` the whole of what the API
    reports in the form of files.
    """
    comparison, schema = compare(declared, observed, remembered), any_provider_schema()
    finder = _Finder(document, exported, comparison, schema)
    skipped = differing_forms(comparison.desired, comparison.observed)
    edits: list[Edit] = []
    for change in changed_fields(comparison.observed_diff, comparison.desired_diff):
        if change.path[0] not in skipped and not _is_moot(change, comparison, schema):
            edits += finder.edit(change)
    for path in (*comparison.undeclared_access, *_undeclared_entries(comparison, schema)):
        edits += finder.missing(path)
    for site in comparison.sites:
        edits += finder.secret(site, naming)
    unique = {(edit.how, edit.origin): edit for edit in edits}
    return [unique[key] for key in sorted(unique, key=_order)]


def _order(key: tuple[EditKind, SourceOrigin]) -> Any:
    how, origin = key
    steps = [(isinstance(s, int), s if isinstance(s, int) else 0, str(s)) for s in origin.path]
    if how is not EditKind.REMOVE:
        return how, origin.file, origin.index, steps
    # Entries are removed from behind, so that the numbers of those in front stay true.
    return how, origin.file, -origin.index, [(kind, -number, text) for kind, number, text in steps]


@dataclass(frozen=True, slots=True)
class _Finder:
    document: Sourced
    exported: Mapping[str, Any]
    comparison: Comparison
    schema: FieldSchema

    def edit(self, change: FieldChange) -> list[Edit]:
        """Find where one difference has to be mended."""
        entry = self.schema.entry_of(change.path)
        if not change.had and entry and lookup(self.comparison.observed_diff, entry) is None:
            return self._removed(entry, is_entry=True)
        if not change.had:
            return self._removed(change.path)
        return self._set(change.path, self._exported_at(change.path, otherwise=change.before))

    def missing(self, path: Path) -> list[Edit]:
        """Find where something that is only in the API has to be added."""
        value = self._exported_at(path, otherwise=_ABSENT)
        return [] if value is _ABSENT else self._set(path, value)

    def secret(self, site: SecretLocation, naming: SecretNames) -> list[Edit]:
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
        return self._set(site.path, self._exported_at(site.path, otherwise=stored))

    def _set(self, path: Path, value: Any) -> list[Edit]:
        """Replace what stands at a path, or add it to the innermost thing that is there."""
        steps, covered, node = _walk(self.document.value, path, self.schema)
        origin = self.document.origin_of(steps)
        if covered == len(path):
            return [Edit(EditKind.REPLACE, origin, value)]
        if not steps or (isinstance(node, dict) and node):
            whole = self._exported_at(path[: covered + 1], otherwise=value)
            return [Edit(EditKind.INSERT, origin.at(path[covered]), whole)]
        whole = self._exported_at(path[: covered + (1 if _is_list(node) else 0)], otherwise=_ABSENT)
        if whole is _ABSENT:
            return []
        return [Edit(EditKind.APPEND if _is_list(node) else EditKind.REPLACE, origin, whole)]

    def _exported_at(self, path: Path, *, otherwise: Any) -> Any:
        """Return what the API reports at a path, in the form of files."""
        _, covered, node = _walk(self.exported, path, self.schema)
        return node if covered == len(path) else otherwise

    def _removed(self, path: Path, *, is_entry: bool = False) -> list[Edit]:
        steps, covered, _ = _walk(self.document.value, path, self.schema)
        if covered < len(path):
            return []
        return [Edit(EditKind.REMOVE, self.document.origin_of(steps), is_entry=is_entry)]


def _is_list(node: Any) -> bool:
    return isinstance(node, list) and bool(node)


def _walk(value: Any, path: Path, schema: FieldSchema) -> tuple[Steps, int, Any]:
    """Follow a path as far as it goes: the steps, how many names they cover, what is there."""
    steps: list[int | str] = []
    node, field = value, schema
    for covered, name in enumerate(path):
        if isinstance(node, list):
            step = _index(node, field, name)
            if step is None:
                return tuple(steps), covered, node
            node = node[step]
            steps.append(step)
            if field.key is not None:
                field = field.entries or UNKNOWN
                continue
        if not isinstance(node, dict) or name not in node:
            return tuple(steps), covered, node
        node, field = node[name], field.child(name)
        steps.append(name)
    return tuple(steps), len(path), node


def _index(entries: list[Any], field: FieldSchema, identity: str) -> int | None:
    """Find an entry of a list by its identity; a list of at most one has only its first."""
    if field.kind is FieldKind.SINGLE:
        return 0 if entries else None
    for index, entry in enumerate(entries):
        if field.key and isinstance(entry, dict) and entry.get(field.key) == identity:
            return index
    return None


def _undeclared_entries(comparison: Comparison, schema: FieldSchema) -> list[Path]:
    """Return the entries of declared lists that only the API has; access is judged by planning."""
    entries = {schema.entry_of(path) for path in comparison.undeclared}
    return [
        entry
        for entry in sorted(entry for entry in entries if entry is not None)
        if schema.child(entry[0]).facts.sub_resource is None
        and lookup(comparison.desired, entry[:-1])
        and not (
            entry[0] == MAPPINGS and lookup(comparison.desired, target_path(entry[1])) is not None
        )
    ]


def _is_moot(change: FieldChange, comparison: Comparison, schema: FieldSchema) -> bool:
    """Return whether a limit differs only because access has been taken away as a whole."""
    top = schema.child(change.path[0])
    if change.had or change.path[-1] == "enabled":
        return False
    if top.facts.sub_resource is not SubResource.WORKSPACES:
        return False
    holder = change.path[: 1 if top.has_switch else 2]
    found = lookup(comparison.observed_diff, holder)
    return isinstance(found, Mapping) and found.get("enabled") is False
