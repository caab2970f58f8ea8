"""The files of a desired-state folder while they are changed: in memory first, on disk at the end.

Nothing reaches the disk before everything is known to load; each file is replaced as a whole.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from secrets import token_hex

from reconciler.desired.source import FileSource, MemorySource, UnreadableFile
from reconciler.desired.yaml_edit import FileEdit
from reconciler.diagnostics import SourceLocation, error
from reconciler.domain.rejection import InvalidInput


class WorkingCopy:
    """A copy of the files of a source that can be changed."""

    def __init__(self, source: FileSource) -> None:
        self._original = source
        self._before: dict[str, bytes] = {}
        for path in source.paths():
            with contextlib.suppress(UnreadableFile):
                self._before[path] = source.read(path)
        self._now = dict(self._before)
        self._names = {path.casefold() for path in self._before}

    @property
    def source(self) -> MemorySource:
        """Give the files as they are now, to be loaded."""
        return MemorySource(dict(self._now), self._original.label, self._original)

    @property
    def changed(self) -> dict[str, bytes]:
        """Give the files that are new or differ from what was read."""
        return {p: c for p, c in sorted(self._now.items()) if self._before.get(p) != c}

    @property
    def removed(self) -> tuple[str, ...]:
        """Give the files that were read and are to go."""
        return tuple(sorted(self._before.keys() - self._now.keys()))

    def is_new(self, path: str) -> bool:
        """Tell whether this file was not there before."""
        return path not in self._before

    def has(self, path: str) -> bool:
        """Tell whether there is a file of this name, upper and lower case being the same."""
        return path.casefold() in self._names

    def edit(self, path: str) -> FileEdit:
        """Begin to edit a file; `put` keeps the result."""
        return FileEdit(self._now[path])

    def put(self, path: str, content: bytes) -> None:
        """Give a file new content."""
        self._now[path] = content
        self._names.add(path.casefold())

    def drop(self, path: str) -> None:
        """Take a file out."""
        self._now.pop(path, None)
        self._names.discard(path.casefold())

    def restore(self, path: str) -> None:
        """Take a file back to what was read, or out if it is new."""
        if path in self._before:
            self._now[path] = self._before[path]
        else:
            self._now.pop(path, None)


def write(directory: Path, changed: Mapping[str, bytes]) -> None:
    """Put files on disk, each as a whole; raises `InvalidInput` that names the one that failed.

    Nothing is written where one of them would go through a link in place of a folder.
    """
    _refuse_links(directory, changed)
    for name, content in changed.items():
        path = Path(os.path.realpath(directory / name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        except OSError as reason:
            why = reason.strerror or "the system refuses"
            summary = f"{directory / name} cannot be written: {why}"
            raise InvalidInput([error("cannot-write", summary)]) from reason


def remove(directory: Path, names: Iterable[str]) -> None:
    """Take files off the disk; raises `InvalidInput` that names the one that would not go."""
    going = list(names)
    _refuse_links(directory, going)
    for name in going:
        try:
            (directory / name).unlink(missing_ok=True)
        except OSError as reason:
            why = reason.strerror or "the system refuses"
            summary = f"{directory / name} cannot be removed: {why}"
            raise InvalidInput([error("cannot-remove", summary)]) from reason


def _refuse_links(directory: Path, names: Iterable[str]) -> None:
    """Raise `InvalidInput` for a file whose folder is a link, below the directory itself."""
    folders = {folder for name in names for folder in PurePosixPath(name).parents}
    links = [directory / folder for folder in sorted(folders) if folder.name]
    problems = [
        error(
            "symlink",
            f"{place} is a symbolic link in place of a folder, which is not followed",
            hint="put the folder itself in its place",
            at=SourceLocation(str(place)),
        )
        for place in links
        if place.is_symlink()
    ]
    if problems:
        raise InvalidInput(problems)


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.parent / f".unfinished-{token_hex(8)}"
    # The umask decides about a new file; one that is there keeps its mode.
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123  it is open already
            if path.exists():
                os.fchmod(descriptor, path.stat().st_mode & 0o777)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename last; where a folder cannot be synced there is nothing more to do."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
