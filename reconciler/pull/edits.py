"""Edits with which the files declare the API's state.

A declared value that differs is replaced in the file that declares it, even in an overlay.
Undeclared values stay undeclared, except new entries of a declared list.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from reconciler.desired.problem_collector import Sourced, SourceOrigin, Steps
from reconciler.desired.references import SecretNames
from reconciler.domain.facts import SubResource
from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.schema import (
    UNKNOWN,
    FieldKind,
    FieldSchema,
    any_provider_schema,
)
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import Declared, LastApplied, Observed
from reconciler.domain.tree import Path, is_empty, lookup
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.comparison import Comparison, SecretLocation, compare
from reconciler.planning.diff import FieldChange, changed_fields
from reconciler.planning.identifier_forms import differing_forms

# None is a value that a file can contain.
_ABSENT: Any = object()


class EditKind(IntEnum):
    """Kind of an edit. In this order, no edit moves the position of a later one."""

    REPLACE = 0
    INSERT = 1
    APPEND = 2
    REMOVE = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a file. `is_entry` is True for the removal of an entry of a keyed list."""

    kind: EditKind
    origin: SourceOrigin
    value: Any = None
    is_entry: bool = False


def required_edits(
    declared: Declared,
    observed: Observed,
    *,
    document: Sourced,
    remembered: LastApplied,
    exported: Mapping[str, Any],
    naming: SecretNames,
) -> list[Edit]:
    """Return the edits with which the files declare the observed state.

    `document` is the merged document of `declared`, and `exported` everything that the API reports,
    in the form of files.
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
    for site in comparison.secrets:
        edits += finder.secret(site, naming)
    # Several differences can lead to one position, for example members of an inserted part.
    unique = {(edit.kind, edit.origin): edit for edit in edits}
    return [unique[key] for key in sorted(unique, key=_order)]


def follow(value: Any, path: Path, schema: FieldSchema) -> tuple[Steps, int, Any]:
    """Follow a path of a comparison in a document, as far as it exists there.

    Return the steps in the document, the number of names that they cover, and the value there.
    """
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


def _order(key: tuple[EditKind, SourceOrigin]) -> Any:
    kind, origin = key
    # Indexes and names cannot be compared with each other, so each step has three values.
    steps = [(isinstance(s, int), s if isinstance(s, int) else 0, str(s)) for s in origin.path]
    if kind is not EditKind.REMOVE:
        return kind, origin.file, origin.index, steps
    # Entries are removed from the end, so that the indexes of those before them stay valid.
    return kind, origin.file, -origin.index, [(kind, -number, text) for kind, number, text in steps]


@dataclass(frozen=True, slots=True)
class _Finder:
    document: Sourced
    exported: Mapping[str, Any]
    comparison: Comparison
    schema: FieldSchema

    def edit(self, change: FieldChange) -> list[Edit]:
        """Return the edits for one difference."""
        entry = self.schema.entry_of(change.path)
        # The API lacks the whole entry; removing only its fields would leave an empty one.
        if not change.had and entry and lookup(self.comparison.observed_diff, entry) is None:
            return self._removed(entry, is_entry=True)
        if not change.had:
            return self._removed(change.path)
        return self._set(change.path, self._exported_at(change.path, otherwise=change.before))

    def missing(self, path: Path) -> list[Edit]:
        """Return the edits that add values that only the API has."""
        value = self._exported_at(path, otherwise=_ABSENT)
        return [] if value is _ABSENT else self._set(path, value)

    def secret(self, site: SecretLocation, naming: SecretNames) -> list[Edit]:
        """Return the edits for a sensitive value that is declared, but not as a reference."""
        declared, stored = site.declared, site.stored
        if isinstance(declared, SecretRef):
            return []
        if isinstance(declared, Redacted):
            if is_empty(stored):
                return self._removed(site.path)
            if isinstance(stored, Mask):
                # A mask never proves that two values are equal (remote/API.md §1.4), so in doubt
                # nothing is edited.
                if declared.judged_by(stored) is not MaskVerdict.CONTRADICTS:
                    return []
                return self._set(site.path, naming.reference(site.path))
            return [] if declared.equals(stored) else self._set(site.path, stored)
        if is_empty(stored):
            return []
        return self._set(site.path, self._exported_at(site.path, otherwise=stored))

    def _set(self, path: Path, value: Any) -> list[Edit]:
        """Replace the value at a path, or insert it into the innermost part that exists."""
        steps, covered, node = follow(self.document.value, path, self.schema)
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
        _, covered, node = follow(self.exported, path, self.schema)
        return node if covered == len(path) else otherwise

    def _removed(self, path: Path, *, is_entry: bool = False) -> list[Edit]:
        steps, covered, _ = follow(self.document.value, path, self.schema)
        if covered < len(path):
            return []
        return [Edit(EditKind.REMOVE, self.document.origin_of(steps), is_entry=is_entry)]


def _is_list(node: Any) -> bool:
    return isinstance(node, list) and bool(node)


def _index(entries: list[Any], field: FieldSchema, identity: str) -> int | None:
    """Return the index of an entry by its identity, or 0 for a list of at most one entry."""
    if field.kind is FieldKind.SINGLE:
        return 0 if entries else None
    for index, entry in enumerate(entries):
        if field.key and isinstance(entry, dict) and entry.get(field.key) == identity:
            return index
    return None


def _undeclared_entries(comparison: Comparison, schema: FieldSchema) -> list[Path]:
    """Return the entries of declared lists that only the API has; planning compares access."""
    entries = {schema.entry_of(path) for path in comparison.undeclared}
    return [
        entry
        for entry in sorted(entry for entry in entries if entry is not None)
        if schema.child(entry[0]).facts.sub_resource is None
        and lookup(comparison.desired, entry[:-1])
        and not (
            # A field is sent either directly or by a mapping, never both (remote/API.md §1.3).
            entry[0] == MAPPINGS and lookup(comparison.desired, target_path(entry[1])) is not None
        )
    ]


def _is_moot(change: FieldChange, comparison: Comparison, schema: FieldSchema) -> bool:
    """Whether a limit differs only because all access was revoked."""
    top = schema.child(change.path[0])
    if change.had or change.path[-1] == "enabled":
        return False
    if top.facts.sub_resource is not SubResource.WORKSPACES:
        return False
    holder = change.path[: 1 if top.has_switch else 2]
    found = lookup(comparison.observed_diff, holder)
    return isinstance(found, Mapping) and found.get("enabled") is False
