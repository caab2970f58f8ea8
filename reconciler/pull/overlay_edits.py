"""Edits of the overlays of one environment, which make one field declare a value or nothing.

The patches of an integration can be in several files and documents, which are merged in order. A
field is edited in the patch that determines it; a field that only the base declares is added to a
patch. The base is never edited.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from os.path import commonprefix
from typing import Any

from reconciler.desired.documents import ENVIRONMENTS, MODELINE, SCHEMA_FILE, SCHEMAS_FOLDER
from reconciler.desired.fmt import comments_of
from reconciler.desired.overlay import REMOVE, apply_patch
from reconciler.desired.problem_collector import Sourced, SourceOrigin, Steps
from reconciler.desired.yaml_edit import FileEdit
from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_values import Plain, apply_types
from reconciler.desired.yaml_writer import document as written_document
from reconciler.domain.integration import Integration
from reconciler.domain.schema import FieldKind, FieldSchema, any_provider_schema
from reconciler.domain.tree import Path, is_empty, lookup
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import OFF, SHARED_ACCESS
from reconciler.pull.edits import follow
from reconciler.pull.overlay_parts import BOM, OverlayParts, path_of
from reconciler.pull.working_copy import WorkingCopy

_TRUE = Plain("true")
_LISTS = frozenset({FieldKind.KEYED_LIST, FieldKind.SINGLE, FieldKind.LIST})
_MAPS = frozenset({FieldKind.OBJECT, FieldKind.MAP, FieldKind.HEADERS})
_OVERLAY_SCHEMA = f"{SCHEMAS_FOLDER}/overlay.json"


class NotEditable(Exception):
    """Raised for a value that an overlay cannot declare, or a position that cannot be edited."""


@dataclass(frozen=True, slots=True)
class Patch:
    """The patch of an integration in one document; its value is None if it withdraws it."""

    origin: SourceOrigin
    value: Any


@dataclass(frozen=True, slots=True)
class _Found:
    """How far a patch contains a path: the steps there, the names they cover, and the value."""

    patch: Patch
    steps: Steps
    covered: int
    node: Any

    @property
    def is_open(self) -> bool:
        """Whether the patch does not affect the path, so that earlier patches determine it."""
        if isinstance(self.node, dict):
            return self.node.get(REMOVE) != _TRUE
        return isinstance(self.node, list) and bool(self.node)


class Overlays:
    """Editable overlays of one environment, in a working copy."""

    def __init__(self, files: WorkingCopy, environment: str) -> None:
        self.folder = f"{ENVIRONMENTS}/{environment}"
        self.parts = OverlayParts(files, self.folder)
        self._parsed: dict[str, tuple[bytes, list[tuple[int, Any]]]] = {}

    def patches(self, slug: str) -> list[Patch]:
        """Return the patches of an integration in the order in which they are merged."""
        found = []
        for part in self.parts.holding(slug):
            for index, value in self._documents(part):
                if isinstance(value, dict) and slug in value:
                    found.append(Patch(SourceOrigin(part, index, (slug,)), value[slug]))
        return found

    def merged(self, base: Sourced, patches: list[Patch]) -> Sourced | None:
        """Return a document with patches merged in; None if one of them withdraws it."""
        document = base
        for patch in patches:
            if patch.value is None:
                return None
            document = apply_patch(document, patch.value, patch.origin, _ignore)
        return document

    def declare(self, base: Sourced, path: Path, value: Any, *, name: str) -> None:
        """Make the overlays declare a value at a path; `name` is the file for a new patch."""
        slug = str(base.value["slug"])
        best: _Found | None = None
        # Starts with the last patch, which takes precedence, so an edit of an earlier one might
        # have no effect.
        for patch in reversed(self.patches(slug)):
            found = _find(patch, path)
            if found.covered == len(path):
                self._edit(found, lambda edit, at: edit.replace(at.index, at.path, value))
                return
            if not found.is_open:
                self._replace_closed(found, path, value)
                return
            # The patch that contains most of the path is used, so that related values stay
            # together.
            if best is None or found.covered > best.covered:
                best = found
        self._insert(best, slug, path, value, name=name)

    def withdraw(self, base: Sourced, path: Path, *, name: str) -> None:
        """Make the overlays declare nothing at a path."""
        slug = str(base.value["slug"])
        key = any_provider_schema().at(path[:-1]).key
        removed: Any = None if key is None else {key: path[-1], REMOVE: True}
        patches = self.patches(slug)
        best: _Found | None = None
        for position in reversed(range(len(patches))):
            found = _find(patches[position], path)
            if found.covered == len(path):
                # If the value is also declared below this patch, removing it here would expose that
                # one.
                below = self.merged(base, patches[:position])
                self._withdraw(found, removed, is_below=_has(below, path))
                return
            if best is None or found.covered > best.covered:
                best = found
        self._insert(best, slug, path, removed, name=name)

    def restore(self, slug: str) -> None:
        """Remove the null with which an overlay withdraws a whole integration."""
        patch = self.patches(slug)[-1]
        at = patch.origin
        self._apply(at.file, lambda edit: edit.remove(at.index, at.path))

    # -- paths ----------------------------------------------------------------------------

    def _documents(self, part: str) -> list[tuple[int, Any]]:
        data = self.parts.read(part)
        # Compared by content, because edits replace the content of a part.
        known = self._parsed.get(part)
        if known is None or known[0] != data:
            known = (data, [(d.index, d.value) for d in read_yaml(data).documents])
            self._parsed[part] = known
        return known[1]

    # -- edits -----------------------------------------------------------------------------

    def _replace_closed(self, found: _Found, path: Path, value: Any) -> None:
        """Replace a value that withdraws or replaces a part of the path."""
        nested = _nested(path, found.covered, value)
        if isinstance(found.node, dict):
            # An entry that is removed is declared again, with its key.
            key = any_provider_schema().at(path[: found.covered - 1]).key or ""
            nested = {key: path[found.covered - 1], **nested}
        self._edit(found, lambda edit, at: edit.replace(at.index, at.path, nested))

    def _withdraw(self, found: _Found, removed: Any, *, is_below: bool) -> None:
        if is_below:
            self._edit(found, lambda edit, at: edit.replace(at.index, at.path, removed))
        else:
            self._edit(found, lambda edit, at: edit.remove(at.index, at.path))

    def _insert(self, best: _Found | None, slug: str, path: Path, value: Any, *, name: str) -> None:
        """Add a value to a patch that does not have it, or add a patch."""
        if best is None:
            self._add_patch(slug, _nested(path, 0, value), name)
            return
        nested = _nested(path, best.covered, value)
        # A list needs no position, because the order of entries with a key does not matter.
        if isinstance(best.node, list):
            self._edit(best, lambda edit, at: edit.append(at.index, at.path, nested[0]))
        elif best.node:
            [(key, item)] = nested.items()
            # Only the top level has a defined order, that of the schema.
            order = tuple(Integration.model_fields) if not best.steps else ()
            self._edit(
                best,
                lambda edit, at: edit.insert(at.index, (*at.path, key), item, order=order),
            )
        else:
            self._edit(best, lambda edit, at: edit.replace(at.index, at.path, nested))

    def _add_patch(self, slug: str, patch: Any, name: str) -> None:
        path, files = f"{self.folder}/{name}", self.parts.files
        text = written_document({slug: patch})
        whole = self.parts.whole(path)
        if whole is None:
            # A file with other content must not be overwritten.
            if not self.parts.is_divided(path) and (files.has(path) or files.source_has(path)):
                raise NotEditable
            self.parts.add(path, slug, text, heading=self._modeline(path))
            return
        documents = self._documents(whole)
        index, content = documents[-1] if documents else (0, None)
        if isinstance(content, dict) and content:
            self._apply(whole, lambda edit: edit.insert(index, (slug,), patch))
        elif content == {}:
            self._apply(whole, lambda edit: edit.replace_document(index, text))
        elif content is None and len(documents) <= 1:
            before = self.parts.read(whole)
            gap = b"" if not before or before.endswith(b"\n") else b"\n"
            self.parts.write(whole, before + gap + text.encode())
        else:
            raise NotEditable

    def _modeline(self, path: str) -> str:
        """Return the comment that names the schema of a new file, if the folder has it."""
        if not self.parts.files.source_has(_OVERLAY_SCHEMA):
            return ""
        return MODELINE.replace(f"../{SCHEMA_FILE}", "../" * path.count("/") + _OVERLAY_SCHEMA)

    def _edit(self, found: _Found, change: Callable[[FileEdit, SourceOrigin], None]) -> None:
        at = found.patch.origin.at(*found.steps)
        self._apply(at.file, lambda edit: change(edit, at))

    def _apply(self, part: str, change: Callable[[FileEdit], None]) -> None:
        before = self.parts.read(part)
        edit = FileEdit(before)
        try:
            change(edit)
        # The editor finds places by the paths of values, and a document may not have a place, or
        # have another kind of node there.
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as problem:
            raise NotEditable from problem
        self.parts.write(part, with_comments(before, edit.result()))


def file_value(document: Sourced, path: Path, schema: FieldSchema) -> Any:
    """Return the value at a path of a document, as an overlay declares it.

    In an overlay, null withdraws a declaration, so emptiness is declared by an empty value.
    """
    _, covered, raw = follow(document.value, path, schema)
    if path[0] == SHARED_ACCESS and covered == 1 and is_empty(raw):
        # The absence of access is declared by the switch, which the field requires.
        covered, raw = len(path), lookup({SHARED_ACCESS: OFF}, path)
    if covered < len(path):
        raise NotEditable
    field = schema.at(path)
    value = apply_types(raw, field)
    if value is not None:
        return value
    if field.kind in _LISTS:
        return []
    if field.kind in _MAPS:
        return {}
    if field.is_text:
        return ""
    raise NotEditable


def name_of_overlay(patches: list[Patch], slug: str) -> str:
    """Return the name of the file for a new patch: that of the other environment's patch."""
    if not patches:
        return f"{slug}.yaml"
    return "/".join(path_of(patches[-1].origin.file).parts[2:])


def _find(patch: Patch, path: Path) -> _Found:
    steps, covered, node = follow(patch.value, path, any_provider_schema())
    return _Found(patch, steps, covered, node)


def _has(document: Sourced | None, path: Path) -> bool:
    if document is None:
        return False
    return follow(document.value, path, any_provider_schema())[1] == len(path)


def _nested(path: Path, covered: int, value: Any) -> Any:
    """Return a value inside the parts of its path that come after the covered names."""
    schema = any_provider_schema()
    nested = value
    for position in reversed(range(covered, len(path))):
        key = schema.at(path[:position]).key
        if key is None:
            nested = {path[position]: nested}
        else:
            members = nested if isinstance(nested, Mapping) else {}
            nested = [{key: path[position], **members}]
    return nested


def with_comments(before: bytes, after: bytes) -> bytes:
    """Return an edited file with the comments that the edit removed, on separate lines."""
    # Counted and not compared as sets: the same comment can occur several times.
    remaining = Counter(comments_of(after))
    lost = []
    for comment in comments_of(before):
        if remaining[comment]:
            remaining[comment] -= 1
        else:
            lost.append(comment)
    if not lost:
        return after
    old, new = before.decode("utf-8"), after.decode("utf-8")
    # The first difference is where something was removed, so the comments stay close to their
    # place.
    changed = len(commonprefix([old, new]))  # noqa: RUF071 - these are texts, not paths
    newline = "\r\n" if "\r\n" in new else "\n"
    if changed == len(new) and old[changed] in "\r\n":
        # The removed part was the end of a file without a final newline.
        new, changed = new + newline, changed + len(newline)
    # Nothing can precede a byte order mark.
    start = max(new.rfind("\n", 0, changed) + 1, len(new) - len(new.removeprefix(BOM)))
    line = old[old.rfind("\n", 0, changed) + 1 :]
    indent = line[: len(line) - len(line.lstrip(" "))]
    lines = "".join(f"{indent}{comment}{newline}" for comment in lost)
    kept = (new[:start] + lines + new[start:]).encode("utf-8")
    # A comment cannot be kept where it would become text, such as within quotes.
    return kept if _values(kept) == _values(after) else after


def _values(data: bytes) -> list[Any] | None:
    parsed = read_yaml(data)
    return None if parsed.faults else [document.value for document in parsed.documents]


def _ignore(code: str, summary: str, origin: SourceOrigin, *, hint: str = "") -> None:
    """Drop a problem of a merge; the edited files are checked as a whole."""
