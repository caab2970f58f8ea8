"""Inputs of a policy: its command, its program and the files that it reads.

All inputs are read once, hashed, and copied into a private folder in which the program runs. The
program therefore uses exactly what was hashed, even if the checkout changes in the meantime, and a
file that the policy does not list cannot influence it. Only regular files are read, because a link
could point anywhere.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from reconciler.allowed_command import find_program_outside
from reconciler.desired.policy_rules import is_inner_path
from reconciler.domain.policy import PolicyCommand
from reconciler.domain.tree import digest
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass
from reconciler.policies.errors import PolicyProblem

MAX_FILES = 2_000
MAX_BYTES = 64 * 1024 * 1024
"""Maximum total size of the files of a policy, in bytes."""

MAX_PROGRAM_BYTES = 1024 * 1024 * 1024
_CHUNK = 1024 * 1024

LeftOut: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Returns the files below paths of the folder that Git tracks and that are not checked out."""
_FILES_HINT = (
    "list the files that the program reads in `files`, relative to the desired-state folder"
)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """File of a policy, with its path relative to the desired-state folder."""

    path: str
    content: bytes = field(repr=False)
    is_executable: bool

    @property
    def identity(self) -> dict[str, object]:
        """Return the part of the file that the digest of the policy covers."""
        return {
            "path": self.path,
            "executable": self.is_executable,
            "sha256": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """All inputs of a policy; `program` is None if it is one of the files.

    `named` contains the hashes of what its arguments name by absolute paths.
    """

    policy: PolicyCommand
    files: tuple[PolicyFile, ...]
    program: Path | None
    program_hash: str | None
    named: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return the digest that identifies the policy."""
        return digest(
            {
                "name": self.policy.name,
                "command": list(self.policy.command),
                "timeout_seconds": self.policy.timeout_seconds,
                # Only the content of the program, because its path differs between machines.
                "program": self.program_hash,
                "files": [file.identity for file in self.files],
                "named": dict(self.named),
            }
        )

    def write(self, folder: Path) -> list[str]:
        """Copy the files into an empty folder, and return the command to run in it."""
        for file in self.files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            # The only permissions that Git records are executable or not.
            path.chmod(0o700 if file.is_executable else 0o600)
        first, *arguments = self.policy.command
        program = self.program if self.program is not None else folder / first
        return [str(program), *arguments]


def read_inputs(
    policy: PolicyCommand,
    folder: Path,
    *,
    search_path: str,
    repository: Path,
    left_out: LeftOut,
) -> PolicyInputs:
    """Read a policy; `search_path` contains only folders outside `repository`.

    Raises `PolicyProblem` for a program or a file that cannot be used.
    """
    paths = [*policy.files, *_named_in_folder(policy.command, folder)]
    _require_checked_out(paths, left_out)
    files = _read_files(folder, paths)
    program = _program(policy.command[0], files, search_path=search_path, repository=repository)
    hashes = {word: _hash_of_named(word) for word in policy.command[1:]}
    return PolicyInputs(
        policy,
        files,
        program,
        _hash_of_file(program) if program is not None else None,
        {word: found for word, found in hashes.items() if found},
    )


def _require_checked_out(paths: Sequence[str], left_out: LeftOut) -> None:
    """Raise `PolicyProblem` for a tracked file that is not checked out: it may contain a rule."""
    try:
        missing = left_out(paths)
    except ReconcilerError as problem:
        summary = f"it cannot be verified that its files are checked out: {problem.summary}"
        raise PolicyProblem(summary, hint=problem.hint) from None
    if missing:
        hint = "check out every file of the policy, for example with `git sparse-checkout add`"
        raise PolicyProblem(f"`{missing[0]}` is tracked by Git and not checked out", hint=hint)


def _program(
    name: str, files: Sequence[PolicyFile], *, search_path: str, repository: Path
) -> Path | None:
    """Return the path of the program, None for one of the files of the policy."""
    if "/" in name:
        if name.startswith("/"):
            # The allow-list contains the path, so the program may be anywhere.
            return _executable(Path(os.path.realpath(name)), name)
        path = str(Path(name))
        if any(file.path == path and file.is_executable for file in files):
            return None
        summary = f"the program `{name}` is not an executable file of the desired-state folder"
        raise PolicyProblem(summary, hint="correct the path, or run `chmod +x` on the file")
    found = find_program_outside(repository, name, path=search_path)
    if found is None:
        summary = f"the program `{name}` is not installed outside of the repository"
        hint = "install it in a folder of PATH, or name it by its absolute path in `command`"
        raise PolicyProblem(summary, hint=hint)
    return _executable(Path(os.path.realpath(found)), name)


def _executable(path: Path, name: str) -> Path:
    if path.is_file() and os.access(path, os.X_OK):
        return path
    raise PolicyProblem(
        f"the program `{name}` is not an executable file",
        hint="correct the path in `command`, or install the program",
    )


def _named_in_folder(command: Sequence[str], folder: Path) -> Iterator[str]:
    """Yield the relative paths of a command, as words or after `=`, that exist in the folder.

    Raises `PolicyProblem` for a path that leaves it.
    """
    program, *arguments = command
    # A program without a slash is looked up in PATH, as by a shell.
    words = [program] if "/" in program else []
    for argument in arguments:
        words += [argument, argument.partition("=")[2]]
    for word in words:
        if ".." in PurePosixPath(word).parts and not word.startswith("/") and "://" not in word:
            # The program would read files next to its private folder, where anyone can write.
            summary = f"an argument points outside its folder: `{word}`"
            raise PolicyProblem(summary, hint="write a path below the folder, or an absolute path")
        # A link counts by its name, whether or not it leads anywhere: it can be made to lead
        # elsewhere later.
        if is_inner_path(word) and os.path.lexists(folder / word):
            yield word


def _read_files(folder: Path, paths: Sequence[str]) -> tuple[PolicyFile, ...]:
    root = Path(os.path.realpath(folder))
    found: dict[str, PolicyFile] = {}
    size = 0
    for path in paths:
        is_empty = True
        for file in _files_below(root, root / path):
            is_empty = False
            name = file.relative_to(root).as_posix()
            # A file can be listed itself and as part of a folder.
            if name in found:
                continue
            found[name] = _read_file(file, name, limit=MAX_BYTES - size)
            size += len(found[name].content)
            if len(found) > MAX_FILES:
                summary = f"its files are more than {MAX_FILES:,}"
                raise PolicyProblem(summary, hint="list only what the program reads")
        if is_empty:
            raise PolicyProblem(f"`{path}` contains no file", hint=_FILES_HINT)
    return tuple(found[name] for name in sorted(found))


def _files_below(root: Path, path: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder; raises `PolicyProblem` for a link."""
    for part in (path, *path.parents):
        if part == root:
            break
        if part.is_symlink():
            name = part.relative_to(root)
            hint = "replace it with a copy of the file or folder"
            raise PolicyProblem(f"`{name}` is a symbolic link, which is not followed", hint=hint)
    if not path.is_dir():
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as problem:
        raise _unreadable(path.relative_to(root), problem) from None
    for child in children:
        yield from _files_below(root, child)


def _read_file(path: Path, name: str, *, limit: int) -> PolicyFile:
    try:
        # O_NONBLOCK: opening a pipe would block. O_NOFOLLOW: a link may have replaced the file.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                hint = "list only files and folders"
                raise PolicyProblem(f"`{name}` is not a regular file", hint=hint)
            content = file.read(limit + 1)
    except OSError as problem:
        raise _unreadable(name, problem) from None
    if len(content) > limit:
        hint = "list only what the program reads"
        raise PolicyProblem("its files are larger than 64 MiB", hint=hint)
    return PolicyFile(name, content, bool(status.st_mode & stat.S_IXUSR))


def _unreadable(name: object, problem: OSError) -> PolicyProblem:
    reason = problem.strerror or "unknown reason"
    return PolicyProblem(f"`{name}` cannot be read: {reason}", hint=_FILES_HINT)


def _hash_of_named(word: str) -> str | None:
    """Return the hash of what an argument names by an absolute path, as such or after `=`."""
    path = Path(word if word.startswith("/") else word.partition("=")[2])
    if not path.is_absolute():
        return None
    if path.is_file():
        return _hash_of_file(path)
    if not path.is_dir():
        return None  # a device, such as /dev/stdin, or what the program will create
    hashes: dict[str, str] = {}
    number = 0
    # Links are followed, as the program does; the limit ends a circular link.
    for folder, folders, files in os.walk(path, followlinks=True):
        number += len(folders) + len(files)
        if number > MAX_FILES:
            summary = f"`{path}` holds more than {MAX_FILES:,} files and folders"
            raise PolicyProblem(summary, hint="name a folder with only what the program reads")
        for name in files:
            file = Path(folder, name)
            if file.is_file():
                hashes[file.relative_to(path).as_posix()] = _hash_of_file(file)
    return digest(hashes)


def _hash_of_file(path: Path) -> str:
    found, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                size += len(chunk)
                if size > MAX_PROGRAM_BYTES:
                    raise PolicyProblem(f"`{path}` is larger than 1 GiB")
    except OSError as problem:
        raise _unreadable(path, problem) from None
    return found.hexdigest()
