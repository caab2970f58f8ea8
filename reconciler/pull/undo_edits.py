"""Undo a run in the files: make them declare the state before it.

The fields to restore are passed by slug. Places are found and edited as in a pull.
`reconciler.pull.working_copy.write` writes to disk.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from reconciler.desired.config import Config
from reconciler.desired.documents import Documents
from reconciler.desired.load import load_desired
from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.references import parse_reference
from reconciler.desired.source import FileSource
from reconciler.desired.yaml_edit import FileEdit
from reconciler.diagnostics import Diagnostic, has_errors, in_order, warning
from reconciler.domain.identifiers import as_operands
from reconciler.domain.schema import FieldKind, any_provider_schema, show_path
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import (
    DesiredState,
    LastApplied,
    LastAppliedState,
    Observed,
    SecretRecord,
)
from reconciler.domain.tree import Path, Tree, Value, leaves, references
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import normalize
from reconciler.pull.edits import follow
from reconciler.pull.pull import PullOptions
from reconciler.pull.rewrite import Rewrite
from reconciler.pull.working_copy import WorkingCopy

# It hides both ends, so it does not contradict any value, and no secret causes an edit.
_HIDDEN = Mask("*****")
_LISTS = frozenset({FieldKind.KEYED_LIST, FieldKind.SINGLE, FieldKind.LIST})


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """Fields of one integration to restore, and whether these are all that it had."""

    fields: Tree
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """Files by their path in the folder: new and edited ones, and those to delete.

    `before` is the previous content of files that are not new.
    """

    changed: Mapping[str, bytes]
    new: frozenset[str]
    before: Mapping[str, bytes]
    removed: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def restore(
    source: FileSource,
    *,
    config: Config,
    desired: DesiredState,
    targets: Mapping[str, RestoreTarget],
    gone: Collection[str],
    today: date,
) -> Restored:
    """Return the files that declare the targets, without the documents of `gone` slugs.

    `desired` is what the files declare now. Raises `InvalidInput` if the result does not load.
    """
    # Edits are made in memory and written together at the end.
    files = WorkingCopy(source)
    undo = _UndoEdits(files, desired, targets)
    rewrite = Rewrite(
        files, desired, options=PullOptions(), last_applied=undo.references(), today=today
    )
    rewrite.declare(undo.states())
    # Done after the rewrite, which reads secrets as masks and therefore keeps every reference.
    undo.restore_references()
    for slug in gone:
        undo.drop(slug)
    after, found = load_desired(files.source, config, desired.target, today)
    if after is None or has_errors(found):
        raise InvalidInput(found)
    return Restored(
        changed=files.changed,
        new=files.new,
        before=files.before,
        removed=files.removed,
        diagnostics=in_order(undo.diagnostics + rewrite.diagnostics),
    )


class _UndoEdits:
    def __init__(
        self, files: WorkingCopy, desired: DesiredState, targets: Mapping[str, RestoreTarget]
    ) -> None:
        self._files = files
        self._desired = desired
        self._targets = targets
        self.diagnostics: list[Diagnostic] = []

    def references(self) -> LastAppliedState:
        """Return the references to restore, as the names that a new document uses."""
        known = {}
        for slug, target in self._targets.items():
            found = references(normalize(target.fields))
            known[slug] = LastApplied(secrets={path: SecretRecord(ref) for path, ref in found})
        return LastAppliedState(known)

    def states(self) -> dict[str, Observed]:
        """Return what the files should declare, in the form that the API reports."""
        states = {}
        for slug, target in self._targets.items():
            declared = self._desired.integrations.get(slug)
            # A document of a few restored fields would not be a valid integration.
            if declared is None and not target.is_whole:
                self.diagnostics.append(_not_declared(slug))
                continue
            fields = _over(declared.fields if declared else {}, target.fields)
            states[slug] = Observed(
                slug,
                _masked(fields),
                detailed=True,
                models_read=True,
                # A list that was not recorded was not read, so it may not be empty.
                workspaces_read="workspaces" in fields,
            )
        return states

    def restore_references(self) -> None:
        """Restore the references of secrets if the files have other, missing or extra ones."""
        for slug, target in self._targets.items():
            for path, leaf in leaves(normalize(target.fields)):
                if isinstance(leaf, SecretRef):
                    self._change(slug, path, leaf)
                elif leaf is None:
                    self._change(slug, path, None)

    def _change(self, slug: str, path: Path, secret: SecretRef | None) -> None:
        """Change one secret in the file of a declared integration."""
        if slug not in self._desired.integrations:
            return  # its file is new and already contains the references
        try:
            for document in self._documents():
                if document.value.get("slug") == slug:
                    self._write(document, path, secret)
                    return
        except (KeyError, IndexError, ValueError):
            self.diagnostics.append(_not_put_back(slug, path))

    def _write(self, document: Sourced, path: Path, secret: SecretRef | None) -> None:
        """Write a reference if a document has another value or none; None removes it."""
        steps, covered, now = follow(document.value, path, any_provider_schema())
        exists = covered == len(path)
        if secret is None:
            # `Rewrite` has removed literal values and left only references in place.
            # From the end, so that the positions before a removed one stay valid.
            for place in reversed(list(_references_in(now, steps) if exists else ())):
                at = document.origin_of(place)
                edit = self._files.edit(at.file)
                edit.remove(at.index, at.path)
                self._files.put(at.file, edit.result())
            return
        if exists and now == secret.as_written:
            return
        at = document.origin_of(steps)
        put = FileEdit.replace
        if not exists and (not steps or (isinstance(now, Mapping) and now)):
            at, covered = at.at(path[covered]), covered + 1
            put = FileEdit.insert
        edit = self._files.edit(at.file)
        put(edit, at.index, at.path, _nested(path, covered, secret.as_written))
        self._files.put(at.file, edit.result())

    def drop(self, slug: str) -> None:
        """Delete the file of an integration, if it holds no other document."""
        documents = list(self._documents())
        found = [d for d in documents if d.value.get("slug") == slug]
        for document in found:
            file = document.origin.file
            # The file is deleted as a whole, with its comments; in a shared file, the user decides
            # what to remove.
            if sum(other.origin.file == file for other in documents) == 1:
                self._files.drop(file)
            else:
                self.diagnostics.append(_shares_a_file(slug, file))

    def _documents(self) -> Iterator[Sourced]:
        source = self._files.source
        yield from Documents(source, ProblemCollector(source)).merged(
            self._desired.target.environment
        )


def _references_in(value: Any, steps: Steps) -> Iterator[Steps]:
    """Yield the paths of references in a part of a document, in order."""
    if isinstance(value, str):
        if parse_reference(value) is not None:
            yield steps
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _references_in(item, (*steps, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references_in(item, (*steps, index))


def _nested(path: Path, covered: int, value: str) -> Value:
    """Return the value of the part that ends after `covered` names; raises for a part in a list."""
    schema = any_provider_schema()
    if any(schema.at(path[:length]).kind in _LISTS for length in range(covered, len(path))):
        raise ValueError(show_path(path))
    nested: Value = value
    for name in reversed(path[covered:]):
        nested = {name: nested}
    return nested


def _over(under: Tree, over: Tree) -> dict[str, Any]:
    """Merge restored fields into declared ones; None removes a field."""
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if value is None:
            # Not declared as null, because the file should be as before the run and not reset the
            # field.
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            result[name] = _over(below, value)
        else:
            result[name] = value
    return result


def _masked(value: Value) -> Any:
    match value:
        case SecretRef() | Redacted():
            return _HIDDEN
        case Mapping():
            return {name: _masked(item) for name, item in value.items()}
        case list() | tuple():
            return [_masked(item) for item in value]
        case _:
            return value


def _not_declared(slug: str) -> Diagnostic:
    pull = " ".join(("reconcile pull", *as_operands([slug])))
    return warning(
        "not-declared",
        f"{slug}: no file declares it, and only what the run changed is on record",
        hint=f"`{pull}` writes a file if it still exists",
    )


def _not_put_back(slug: str, path: Path) -> Diagnostic:
    return warning(
        "not-editable",
        f"{slug}: {show_path(path)} cannot be restored in its file field by field",
        hint="edit the file manually",
    )


def _shares_a_file(slug: str, file: str) -> Diagnostic:
    return warning(
        "shared-file",
        f"{slug}: {file} contains other documents as well, so it was left unchanged",
        hint="remove its document manually",
    )
