"""Make the files declare again what was there before a run; its undo, said in Git.

What that is comes from elsewhere, as fields by slug. Places are found and edited as `pull` does it;
nothing is written here: `adoption.files.write`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reconciler.desired.config import Config
from reconciler.desired.documents import Documents
from reconciler.desired.load import load_desired
from reconciler.desired.problem_collector import ProblemCollector, Sourced
from reconciler.desired.source import FileSource
from reconciler.diagnostics import Diagnostic, has_errors, in_order, warning
from reconciler.domain.field_paths import show_path
from reconciler.domain.last_applied import LastApplied, LastAppliedState, SecretRecord
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import DesiredState, Observed
from reconciler.domain.tree import Path, Tree, Value, leaves, lookup
from reconciler.planning.normalize import normalize
from reconciler.pull.pull import PullOptions
from reconciler.pull.rewrite import Rewrite
from reconciler.pull.working_copy import WorkingCopy

_HIDDEN = Mask("*****")


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """How an integration was: the fields to restore, and whether they are all there were."""

    fields: Tree
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """Files by their path in the folder: new and edited ones, and those that have to go."""

    changed: Mapping[str, bytes]
    new: frozenset[str]
    removed: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def restore(
    source: FileSource,
    *,
    config: Config,
    desired: DesiredState,
    pictures: Mapping[str, RestoreTarget],
    gone: Collection[str],
    today: date,
) -> Restored:
    """Change a copy of the files so that they declare the pictures and nothing that is `gone`.

    `desired` is what they declare before. Raises `InvalidInput` where they would not load.
    """
    files = WorkingCopy(source)
    restoring = _Restoring(files, desired, pictures)
    rewriting = Rewrite(
        files, desired, options=PullOptions(), memory=restoring.names(), today=today
    )
    rewriting.take(restoring.states())
    restoring.put_references_back()
    for slug in gone:
        restoring.drop(slug)
    after, found = load_desired(files.source, config, desired.target, today)
    if after is None or has_errors(found):
        raise InvalidInput(found)
    return Restored(
        changed=files.changed,
        new=frozenset(path for path in files.changed if files.is_new(path)),
        removed=files.removed,
        diagnostics=in_order([*restoring.remarks, *rewriting.remarks]),
    )


class _Restoring:
    def __init__(
        self, files: WorkingCopy, desired: DesiredState, pictures: Mapping[str, RestoreTarget]
    ) -> None:
        self._files = files
        self._desired = desired
        self._pictures = pictures
        self.remarks: list[Diagnostic] = []

    def names(self) -> LastAppliedState:
        """Give the names of the secrets of what is to be written anew."""
        return LastAppliedState(
            {
                slug: LastApplied(
                    secrets={path: SecretRecord(ref) for path, ref in _references(picture.fields)}
                )
                for slug, picture in self._pictures.items()
            }
        )

    def states(self) -> dict[str, Observed]:
        """Give what the files are to declare, in the form of what the API reports."""
        states = {}
        for slug, picture in self._pictures.items():
            declared = self._desired.integrations.get(slug)
            if declared is None and not picture.is_whole:
                self.remarks.append(_not_declared(slug))
                continue
            fields = _over(declared.fields if declared else {}, picture.fields)
            states[slug] = Observed(
                slug,
                _masked(fields),
                detailed=True,
                models_read=True,
                # A list that is not on record was not read, so it is not known to be empty.
                workspaces_read="workspaces" in fields,
            )
        return states

    def put_references_back(self) -> None:
        """Name the secrets as before where the files name others, none, or some too many."""
        for slug, picture in self._pictures.items():
            for path, leaf in leaves(normalize(picture.fields)):
                if isinstance(leaf, SecretRef):
                    self._change(slug, path, leaf)
                elif leaf is None:
                    self._change(slug, path, None)

    def _change(self, slug: str, path: Path, secret: SecretRef | None) -> None:
        """Change one secret of a file that declares the integration already."""
        declared = self._desired.integrations.get(slug)
        now = lookup(declared.fields, path) if declared is not None else secret
        # Only references are left where they are when the files are edited; values are gone.
        if now == secret or (secret is None and not isinstance(now, SecretRef)):
            return
        try:
            for document in self._documents():
                if document.value.get("slug") == slug and declared is not None:
                    self._write(document, declared.fields, path, secret)
                    return
        except (KeyError, IndexError, ValueError):
            self.remarks.append(_not_put_back(slug, path))

    def _write(
        self, document: Sourced, declared: Tree, path: Path, secret: SecretRef | None
    ) -> None:
        depth = _depth_of(declared, path)
        at = document.origin_of(path[: depth + 1])
        edit = self._files.edit(at.file)
        if secret is None:
            at = document.origin_of(path)
            edit = self._files.edit(at.file)
            edit.remove(at.index, at.path)
        else:
            value: Any = secret.as_written
            for name in reversed(path[depth + 1 :]):
                value = {name: value}
            holder = lookup(declared, path[:depth]) if depth else declared
            exists = isinstance(holder, Mapping) and path[depth] in holder
            put = edit.replace if exists else edit.insert
            put(at.index, at.path, value)
        self._files.put(at.file, edit.result())

    def drop(self, slug: str) -> None:
        """Take the file of an integration away, if there is nothing else in it."""
        documents = list(self._documents())
        found = [d for d in documents if d.value.get("slug") == slug]
        for document in found:
            file = document.origin.file
            if sum(other.origin.file == file for other in documents) == 1:
                self._files.drop(file)
            else:
                self.remarks.append(_shares_a_file(slug, file))

    def _documents(self) -> Iterator[Sourced]:
        source = self._files.source
        yield from Documents(source, ProblemCollector(source)).merged(
            self._desired.target.environment
        )


def _depth_of(declared: Tree, path: Path) -> int:
    """Return how many steps of a path lead through mappings that hold something."""
    depth = 0
    while depth < len(path) - 1:
        here = lookup(declared, path[: depth + 1])
        if not isinstance(here, Mapping) or not here:
            break
        depth += 1
    return depth


def _references(fields: Tree) -> Iterator[tuple[Path, SecretRef]]:
    for path, leaf in leaves(normalize(fields)):
        if isinstance(leaf, SecretRef):
            yield path, leaf


def _over(under: Tree, over: Tree) -> dict[str, Any]:
    """Lay restored fields over declared ones; None takes a field out, maps merge."""
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if value is None:
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
    return warning(
        "not-declared",
        f"{slug}: no file declares it, and only what the run changed is on record",
        hint=f"`reconcile pull {slug}` writes a file if it still exists",
    )


def _not_put_back(slug: str, path: Path) -> Diagnostic:
    return warning(
        "not-editable",
        f"{slug}: {show_path(path)} cannot be changed back in its file piece by piece",
        hint="edit it by hand",
    )


def _shares_a_file(slug: str, file: str) -> Diagnostic:
    return warning(
        "shared-file",
        f"{slug}: {file} holds other documents, too, so it was left as it is",
        hint="take its document out by hand",
    )
