"""Files of a desired-state folder that are edited in memory, and written to disk at the end.

Nothing is written to disk before the edited files have been loaded; each file is replaced
atomically.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from reconciler.desired.atomic_write import replace_file
from reconciler.desired.source import FileSource, MemorySource, UnreadableFile
from reconciler.desired.yaml_edit import FileEdit
from reconciler.diagnostics import SourceLocation, error
from reconciler.errors import InvalidInput, write_hint


class WorkingCopy:
    """Editable copy of the files of a source."""

    def __init__(self, source: FileSource) -> None:
        self._original = source
        self._before: dict[str, bytes] = {}
        for path in source.paths():
            with contextlib.suppress(UnreadableFile):
                self._before[path] = source.read(path)
        self._now = dict(self._before)
        # Names that differ only in case are one file on many file systems.
        self._names = {path.casefold() for path in self._before}

    @property
    def source(self) -> MemorySource:
        """Current files, to be loaded."""
        return MemorySource(dict(self._now), self._original.label, self._original)

    @property
    def changed(self) -> dict[str, bytes]:
        """Files that are new or differ from what was read."""
        return {p: c for p, c in sorted(self._now.items()) if self._before.get(p) != c}

    @property
    def new(self) -> frozenset[str]:
        """Paths of changed files that the source does not have."""
        return frozenset(path for path in self.changed if self.is_new(path))

    @property
    def before(self) -> dict[str, bytes]:
        """Original content of changed and removed files, without new files."""
        edited = self.changed.keys() | set(self.removed)
        return {path: self._before[path] for path in sorted(edited) if path in self._before}

    @property
    def removed(self) -> tuple[str, ...]:
        """Paths of the read files that will be deleted."""
        return tuple(sorted(self._before.keys() - self._now.keys()))

    def is_new(self, path: str) -> bool:
        """Whether the source has no file at this path."""
        return path not in self._before

    def has(self, path: str) -> bool:
        """Whether a file has this path, ignoring case."""
        return path.casefold() in self._names

    def source_has(self, path: str) -> bool:
        """Whether the source has a file, YAML or not."""
        return self._original.has_file(path)

    def edit(self, path: str) -> FileEdit:
        """Return an editor of a file; pass its result to `put`."""
        return FileEdit(self._now[path])

    def put(self, path: str, content: bytes) -> None:
        """Set the content of a file."""
        self._now[path] = content
        self._names.add(path.casefold())

    def drop(self, path: str) -> None:
        """Delete a file from the copy."""
        self._now.pop(path, None)
        self._names.discard(path.casefold())

    def restore(self, path: str) -> None:
        """Reset a file to what was read; delete it if it is new."""
        if path in self._before:
            self._now[path] = self._before[path]
        else:
            self._now.pop(path, None)


def write(
    directory: Path, changed: Mapping[str, bytes], *, before: Mapping[str, bytes] | None = None
) -> None:
    """Write files to disk atomically; raise `InvalidInput` for the first that fails.

    Nothing is written if the folder of any file is a symbolic link, or if a file differs from
    `before`, its content when it was read.
    """
    _refuse_links(directory, changed)
    if before is not None:
        _refuse_other_edits(directory, {*changed, *before}, before)
    for name, content in changed.items():
        # A link is kept: its target is replaced.
        path = Path(os.path.realpath(directory / name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as reason:
            why = reason.strerror or "the system refuses"
            summary = f"{directory / name} cannot be written: {why}"
            problem = error("cannot-write", summary, hint=write_hint(reason))
            raise InvalidInput([problem]) from reason


def remove(directory: Path, names: Iterable[str]) -> None:
    """Delete files from disk; raise `InvalidInput` for the first that fails."""
    names = list(names)
    _refuse_links(directory, names)
    for name in names:
        try:
            (directory / name).unlink(missing_ok=True)
        except OSError as reason:
            why = reason.strerror or "the system refuses"
            summary = f"{directory / name} cannot be removed: {why}"
            problem = error("cannot-remove", summary, hint=write_hint(reason))
            raise InvalidInput([problem]) from reason


def refuse_links_out_of(folder: str, directory: Path, names: Iterable[str]) -> None:
    """Raise `InvalidInput` for a file that is a link to a path outside a folder."""
    inside = Path(os.path.realpath(directory / folder))
    problems = [
        error(
            "symlink",
            f"{directory / name} is a symbolic link to a file outside of {folder}/, so editing it "
            "would change another environment",
            hint="replace it with a copy of the file",
            at=SourceLocation(str(directory / name)),
        )
        for name in names
        if not Path(os.path.realpath(directory / name)).is_relative_to(inside)
    ]
    if problems:
        raise InvalidInput(problems)


def _refuse_other_edits(directory: Path, names: Iterable[str], before: Mapping[str, bytes]) -> None:
    """Raise `InvalidInput` for files that another program has edited since they were read."""
    problems = [
        error(
            "file-changed",
            f"{directory / name} was changed by another program in the meantime;"
            " no file was written",
            hint="run the command again",
            at=SourceLocation(str(directory / name)),
        )
        for name in sorted(names)
        if _content(directory / name) != before.get(name)
    ]
    if problems:
        raise InvalidInput(problems)


def _content(path: Path) -> bytes | None:
    """Return the content of a file, None if there is none that can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _refuse_links(directory: Path, names: Iterable[str]) -> None:
    """Raise `InvalidInput` for a file in a folder that is a link, below the directory itself."""
    folders = {folder for name in names for folder in PurePosixPath(name).parents}
    links = [directory / folder for folder in sorted(folders) if folder.name]
    problems = [
        error(
            "symlink",
            f"{place} is a symbolic link in place of a folder, which is not followed",
            hint="replace it with the folder itself",
            at=SourceLocation(str(place)),
        )
        for place in links
        if place.is_symlink()
    ]
    if problems:
        raise InvalidInput(problems)
