"""Sources of files: a directory on disk, or anything else that lists paths and reads bytes.

Reading is bounded and never blocks: only regular files inside the directory are opened, and no more
than the limit is read. `desired.yaml_values` parses the bytes.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from reconciler.frozen_dataclass import dataclass

MAX_FILE = 1024 * 1024
"""Bytes of one file."""

MAX_TOTAL = 64 * 1024 * 1024
"""Bytes of all files together."""

SUFFIXES = (".yaml", ".yml")
_CHUNK = 64 * 1024
# Hawser was the name of Git LFS in its first versions.
_LFS_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/")


def is_yaml(name: str) -> bool:
    """Return whether a file is YAML by its name, in any case: `A.YAML` must not seem removed."""
    return name.lower().endswith(SUFFIXES)


class UnreadableFile(Exception):
    """Raised for a file that cannot be used; callers turn it into a diagnostic."""

    def __init__(self, code: str, summary: str, hint: str = "") -> None:
        super().__init__(summary)
        self.code = code
        self.summary = summary
        self.hint = hint


class FileSource(Protocol):
    """A set of YAML files, named by `/`-separated paths relative to the desired-state folder."""

    @property
    def label(self) -> str:
        """The displayed name of the folder, as a prefix of paths."""
        ...

    def paths(self) -> list[str]:
        """List every YAML file, whether it can be read or not."""
        ...

    def other_files(self) -> list[str]:
        """List the files that are not YAML by their name, without hidden ones."""
        ...

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return the content of a file up to a limit in bytes; raises `UnreadableFile`."""
        ...

    def has_folder(self, path: str) -> bool:
        """Return whether there is a folder, with or without YAML files in it."""
        ...

    def has_file(self, path: str) -> bool:
        """Return whether there is a file, or anything else that is not a folder, such as a link."""
        ...


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Files in memory; `original` is the source they were copied from."""

    files: Mapping[str, bytes]
    label: str = "desired-state"
    original: FileSource | None = None

    def paths(self) -> list[str]:
        """List the files that have a YAML name."""
        return sorted(p for p in self.files if is_yaml(p))

    def other_files(self) -> list[str]:
        """List the other files, those of the original included."""
        others = {p for p in self.files if not is_yaml(p)}
        return sorted(others.union(self.original.other_files() if self.original else ()))

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return the content of a file."""
        content = self.files.get(path)
        if content is None:
            hint = "add the file, or remove the reference to it"
            raise UnreadableFile("missing-file", "does not exist", hint)
        if len(content) > limit:
            raise too_large(limit)
        return check_content(content)

    def has_folder(self, path: str) -> bool:
        """Return whether there is a folder with files, or an empty one in the original."""
        if any(name.startswith(path + "/") for name in self.files):
            return True
        return self.original is not None and self.original.has_folder(path)

    def has_file(self, path: str) -> bool:
        """Return whether there is a file."""
        return path in self.files


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """Files of a directory; hidden files and folders are ignored."""

    directory: Path
    label: str = ""
    _root: str = field(init=False, default="")

    def __post_init__(self) -> None:
        # The class is frozen; both values are derived once.
        object.__setattr__(self, "label", self.label or str(self.directory))
        object.__setattr__(self, "_root", os.path.realpath(self.directory))

    def paths(self) -> list[str]:
        """List the files that have a YAML name, and links to folders, which cannot be read."""
        return sorted(_walk(self._root, "", _may_be_read))

    def other_files(self) -> list[str]:
        """List the regular files that do not have a YAML name."""
        return sorted(_walk(self._root, "", lambda entry: not _may_be_read(entry)))

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Read a regular file inside the directory."""
        try:
            return self._read(path, limit)
        except OSError as error:
            reason = error.strerror or "unknown reason"
            hint = "check its permissions, and those of the folders above it"
            if error.errno == errno.ENOENT and self.has_file(path):
                hint = "it is a symbolic link to a file that does not exist: correct or remove it"
            if error.errno == errno.ENXIO:
                # A socket cannot be opened, so its type is not checked by `_read_regular`.
                raise _not_a_file() from None
            raise UnreadableFile("unreadable", f"cannot be read: {reason}", hint) from None

    def has_folder(self, path: str) -> bool:
        """Return whether there is a folder; a link to one does not count."""
        full = f"{self._root}/{path}"
        return os.path.realpath(full) == full and Path(full).is_dir()

    def has_file(self, path: str) -> bool:
        """Return whether there is a file, or anything else that is not a folder, such as a link."""
        full = f"{self._root}/{path}"
        return os.path.lexists(full) and (Path(full).is_symlink() or not Path(full).is_dir())

    def _read(self, path: str, limit: int) -> bytes:
        full = f"{self._root}/{path}"
        real = full if _has_no_link(self._root, path) else os.path.realpath(full)
        # With the slash, because /data-old begins with /data.
        if real != full and not real.startswith(self._root + "/"):
            raise UnreadableFile(
                "symlink",
                "is a symbolic link to a path outside the directory",
                "replace it with a copy of the file",
            )
        if real != full and (Path(real).is_dir() or not is_yaml(path)):
            raise UnreadableFile(
                "symlink",
                "is a symbolic link to a folder, which is not followed",
                "replace it with the folder itself",
            )
        # Opening a FIFO without a writer blocks; O_NONBLOCK avoids that, and fstat then refuses it.
        # With O_NOFOLLOW a link that has replaced the file since the check is not followed.
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return check_content(_read_regular(descriptor, limit))
        finally:
            os.close(descriptor)


def _has_no_link(root: str, path: str) -> bool:
    """Return whether no part of a path below a real folder is a link, so that the path is real.

    `os.path.realpath` would inspect every folder above the root again, for each file.
    """
    here = root
    for name in path.split("/"):
        here = f"{here}/{name}"
        is_link = os.path.islink(here)  # noqa: PTH114 - making a `Path` takes longer than the check
        if is_link or name in {"", ".", ".."}:
            return False
    return True


def check_content(content: bytes) -> bytes:
    """Return the content of a file; raises `UnreadableFile` for a Git LFS pointer."""
    if content.startswith(_LFS_POINTERS):
        raise UnreadableFile(
            "not-checked-out",
            "is a Git LFS pointer: the file itself is not checked out",
            "run `git lfs pull`",
        )
    return content


def too_large(limit: int = MAX_FILE) -> UnreadableFile:
    """Return the error of a file that exceeds a limit in bytes."""
    return UnreadableFile(
        "file-too-large",
        f"is larger than {limit // MAX_FILE} MiB",
        "split the file, or remove what is not YAML; an integration takes a few hundred bytes",
    )


def _walk(root: str, folder: str, accepts: "Callable[[os.DirEntry[str]], bool]") -> Iterator[str]:
    try:
        entries = list(os.scandir(f"{root}/{folder}" if folder else root))
    except OSError:
        # A folder without permission is listed itself, so that it does not seem empty. The root
        # needs no entry: without reconcile.yaml nothing is loaded.
        if not folder:
            return
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = f"{folder}/{entry.name}" if folder else entry.name
        # A link is not entered: it could lead out of the directory or into a circle.
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path, accepts)
        elif accepts(entry):
            yield path


def _may_be_read(entry: "os.DirEntry[str]") -> bool:
    return is_yaml(entry.name) or _stands_for_folder(entry)


def _stands_for_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a link to a folder, or may be one because it is broken."""
    return entry.is_symlink() and (entry.is_dir() or not Path(entry.path).exists())


def _not_a_file() -> UnreadableFile:
    return UnreadableFile(
        "not-a-file", "is not a regular file", "replace it with a file, or remove it"
    )


def _read_regular(descriptor: int, limit: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_file()
    if status.st_size > limit:
        raise too_large(limit)
    # Sized by the file: allocating a buffer of the limit for each file takes half of the time.
    content = os.read(descriptor, status.st_size + 1)
    # One more byte was requested, so the end is reached.
    if len(content) == status.st_size:
        return content
    # The file may grow while it is read.
    while len(content) <= limit and (more := os.read(descriptor, _CHUNK)):
        content += more
    if len(content) > limit:
        raise too_large(limit)
    return content
