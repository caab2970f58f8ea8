"""Repository of a folder, and the files of the folder that are not checked out.

It is read with the program `git`. The files of a commit: `reconciler.git.commits`.

With sparse checkouts and submodules, files can be missing while `git status` is clean. If they
counted as absent, their integrations would be deleted. A file that the user deleted is not among
them. A pointer of Git LFS is found when its file is read: `reconciler.desired.source`.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from itertools import islice
from pathlib import Path, PurePosixPath

from reconciler.desired.config import CONFIG_FILE
from reconciler.desired.documents import is_in_layout
from reconciler.desired.source import MAX_FILE, FileSource, UnreadableFile, is_yaml
from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass

TIMEOUT_SECONDS = 60

REGULAR_FILES = frozenset({"100644", "100755"})
LINK, SUBMODULE = "120000", "160000"
"""Modes of the entries of a tree or the index."""

MAX_SUBMODULE_DEPTH = 8

_PASSED_ON = frozenset({"HOME", "LOGNAME", "PATH", "TMPDIR", "USER", "XDG_CONFIG_HOME"})
"""Variables of the caller that git receives, without `GIT_*`: git itself sets GIT_DIR and
GIT_INDEX_FILE for hooks and aliases, and would then read another repository."""

_OUR_OWN: Mapping[str, str] = {
    # The code searches messages for `fatal:` and `error:`, so they must not be translated.
    "LC_ALL": "C",
    # The folder can be a separate mount below the repository, as in a container.
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
"""With these, reading does not fetch, write, prompt, or replace objects."""


# A folder with the files of a bare repository does not count as one: its `config`, which a pull
# request can add, names programs that git runs. `git status` would also run a file system monitor.
_NO_PROGRAMS = ("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false")


class GitError(ReconcilerError):
    """Git cannot be run, or fails with an error."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """File, link or submodule in the tree of a commit; `identity` is the id of its object."""

    path: str
    mode: str
    identity: str


@dataclass(frozen=True, slots=True)
class Repository:
    """Repository that holds a folder; git gets only a part of the caller's `environment`."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def at(self, folder: Path) -> "Repository":
        """Return the repository that holds another folder."""
        return Repository(folder, self.environment)

    @property
    def exists(self) -> bool:
        """Whether there is a repository, readable or not."""
        real = Path(os.path.realpath(self.folder))
        return any((place / ".git").exists() for place in (real, *real.parents))

    def locate(self) -> tuple["Repository", str]:
        """Return the root of the working tree, and the folder's path in it, empty for the root.

        The folder itself need not exist. Raises `GitError` if it is not in a working tree.
        """
        real = Path(os.path.realpath(self.folder))
        nearest = next(place for place in (real, *real.parents) if place.is_dir())
        answer = self.at(nearest).run("rev-parse", "--show-toplevel") or b""
        # Links are resolved on both sides; otherwise, a folder behind a link would seem to be
        # outside.
        top = Path(os.path.realpath(os.fsdecode(answer.removesuffix(b"\n"))))
        if not answer.strip() or not real.is_relative_to(top):
            # `core.worktree` can name any folder; paths would then mean other files.
            summary = f"git: {self.folder} is not in the working tree of its repository"
            raise GitError(summary, code="git", hint="check `core.worktree` in its .git/config")
        inside = real.relative_to(top).as_posix()
        return self.at(top), "" if inside == "." else inside

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes | None:
        """Run git in the folder; return None if it fails without a message.

        Raises `GitError` with git's message, or if git cannot be run.
        """
        command = ["git", *_NO_PROGRAMS, "-C", str(self.folder), *arguments]
        passed_on = {name: self.environment[name] for name in _PASSED_ON & self.environment.keys()}
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program; arguments are no shell text
                command,
                input=stdin,
                capture_output=True,
                env={**passed_on, **_OUR_OWN},
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            reason = f"git cannot be run: {type(problem).__name__}"
            hint = "install `git`, or check that `git --version` works on this machine"
            raise GitError(reason, code="no-git", hint=hint) from None
        if done.returncode == 0:
            return done.stdout
        message = done.stderr.decode("utf-8", "replace").strip()
        # A failure without a message is a result: `merge-base --is-ancestor` reports a negative
        # result this way.
        if not message:
            return None
        raise _failure(message)


def head(repository: Repository) -> str | None:
    """Return the checked-out commit, None if it cannot be determined."""
    # Looked up first, because starting git takes milliseconds even if there is no repository.
    if not repository.exists:
        return None
    try:
        return commit_id(repository, "HEAD")
    except GitError:
        return None


def commit_id(repository: Repository, ref: str) -> str | None:
    """Return the full id of a commit, None for an unknown one."""
    # A ref that begins with a dash must not be parsed as an option.
    # `^{commit}` turns an annotated tag into its commit and refuses any other object.
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    answer = repository.run(*words)
    return answer.decode("ascii", "replace").strip() if answer else None


def tree_entries(top: Repository, commit: str, prefix: str) -> list[TreeEntry]:
    """List the tree of a commit under a prefix; paths are relative to the repository's root."""
    where = ["--", prefix] if prefix else []
    listing = top.run("ls-tree", "-r", "-z", "--full-tree", commit, *where) or b""
    entries = []
    for line in split_listing(listing):
        facts, _, path = line.partition("\t")
        mode, _, identity = facts.split(" ")
        entries.append(TreeEntry(path, mode, identity))
    return entries


def split_listing(listing: bytes) -> list[str]:
    """Split a listing that git has written with `-z`."""
    # `fsdecode`, because a name can contain any bytes and must lead to the same file again.
    return [line for line in os.fsdecode(listing).split("\0") if line]


def has_hidden_part(path: str) -> bool:
    """Return whether a path has a part that begins with a dot; reading files skips those."""
    return any(part.startswith(".") for part in path.split("/"))


def _failure(message: str) -> GitError:
    """Convert git's message to an error; a remedy that git names becomes the hint."""
    lines = [line.strip() for line in message.splitlines()]
    reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0])
    remedy = next((line for line in lines if line.startswith("git config ")), None)
    hint = f"if you trust it, run `{remedy}`" if remedy else "`git status` there shows more"
    if "not a git repository" in reason:
        hint = "run `git status` there; outside of a repository, leave out the option for a commit"
    # `run` makes Git refuse one: its `config` could name programs to run.
    if "cannot use bare repository" in reason:
        hint = "remove HEAD, config, objects/ and refs/ from the folder of the files"
    return GitError(f"git: {reason}", code="git", hint=hint)


_MOST_NAMED = 20
# Not a flag of `ls-files -v`; marks entries that come from a tree.
_NO_INDEX = "-"
_SPARSE_HINT = (
    "run `git sparse-checkout disable`, or on the file `git update-index --no-skip-worktree "
    "--no-assume-unchanged` and `git checkout`"
)
_SUBMODULE_HINT = "run `git submodule update --init --recursive`"
_BEHIND_HINT = f"{_SUBMODULE_HINT}; a commit of your own there must contain the recorded one"
_NO_CHECKOUT_HINT = "run `git checkout`; this clone was made without it"


@dataclass(frozen=True, slots=True)
class _IndexEntry:
    """Entry of the index; `flag` is that of `git ls-files -v`."""

    flag: str
    mode: str
    identity: str
    path: str

    @property
    def is_left_out(self) -> bool:
        """Whether git does not check the file: skip-worktree (S) or assume-unchanged (h)."""
        return self.flag in {"S", _NO_INDEX} or self.flag.islower()


@dataclass(frozen=True, slots=True)
class CheckedOutFiles:
    """Files of a folder, and those that are not checked out: listed but not readable."""

    base: FileSource
    missing: Mapping[str, UnreadableFile]

    @property
    def label(self) -> str:
        """Return the displayed path of the folder."""
        return self.base.label

    def paths(self) -> list[str]:
        """List every YAML file that exists or should exist."""
        return sorted({*self.base.paths(), *self.missing})

    def other_files(self) -> list[str]:
        """List the files in the working tree that are not YAML."""
        return self.base.other_files()

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return the content of a file, or raise `UnreadableFile`."""
        if path in self.missing:
            raise self.missing[path]
        return self.base.read(path, limit=limit)

    def has_folder(self, path: str) -> bool:
        """Whether there is or should be a folder."""
        missing = any(name.startswith(path + "/") for name in self.missing)
        return missing or self.base.has_folder(path)

    def has_file(self, path: str) -> bool:
        """Whether there is or should be anything but a folder."""
        return path in self.missing or self.base.has_file(path)


@dataclass(frozen=True, slots=True)
class IndexedFiles:
    """Tracked files of a folder, compared with the folder.

    `missing` are those that the folder does not have, by path; only the first of many. `skipped` is
    True if `git status` does not compare a file (`git update-index --assume-unchanged`).
    """

    missing: Mapping[str, UnreadableFile] = field(default_factory=dict)
    skipped: bool = False


def indexed_files(repository: Repository) -> IndexedFiles:
    """Return what the index shows about the files of the folder.

    Raises `GitError` for a repository that git cannot read.
    """
    # Outside Git, no file is tracked, so none can be missing.
    if not repository.exists:
        return IndexedFiles()
    top, prefix = repository.locate()
    found = dict(_missing_in(top, prefix, ""))
    missing = {path: problem for path, problem in found.items() if problem is not None}
    shown = dict(islice(missing.items(), _MOST_NAMED))
    more = len(missing) - len(shown)
    if more:
        path, problem = shown.popitem()
        summary = f"{problem.summary}, as are {more} more"
        shown[path] = UnreadableFile(problem.code, summary, problem.hint)
    return IndexedFiles(shown, skipped=len(missing) < len(found))


def left_out(repository: Repository, paths: Iterable[str]) -> list[str]:
    """Return the files below some paths of the folder that Git tracks and that are not checked out.

    Raises `GitError` for a repository that git cannot read.
    """
    if not repository.exists:
        return []
    top, prefix = repository.locate()
    found = []
    for path in paths:
        below = PurePosixPath(prefix, path).as_posix()
        for entry in _index(top, below) or _never_checked_out(top, below):
            place = top.folder / entry.path
            is_empty = entry.mode == SUBMODULE and not (place / ".git").exists()
            if is_empty or (entry.is_left_out and not os.path.lexists(place)):
                found.append(entry.path.removeprefix(prefix).removeprefix("/"))
    return found


def _missing_in(
    top: Repository, prefix: str, below: str, depth: int = 0
) -> Iterator[tuple[str, UnreadableFile | None]]:
    """Yield what is missing under a prefix, and None for a file that `git status` skips.

    `below` is prepended to the paths.
    """
    entries = _index(top, prefix) or _never_checked_out(top, prefix)
    if not entries and _is_in_submodule(top, prefix):
        yield CONFIG_FILE, _not_checked_out("is in a submodule, which is", _SUBMODULE_HINT)
    for entry in entries:
        inside = entry.path.removeprefix(prefix).removeprefix("/") if prefix else entry.path
        path, place = below + inside, top.folder / entry.path
        # An empty path is the folder itself, as a submodule.
        if inside and not _can_declare(entry, path):
            continue
        if entry.mode == SUBMODULE:
            yield from _missing_in_submodule(top.at(place), entry.identity, path, depth)
        # `lexists`, because a link is checked out even if its target is missing.
        elif entry.is_left_out and os.path.lexists(place):
            yield path, None
        elif entry.is_left_out:
            hint = _NO_CHECKOUT_HINT if entry.flag == _NO_INDEX else _SPARSE_HINT
            yield path, _not_checked_out("is declared by Git and", hint)


def _is_in_submodule(top: Repository, prefix: str) -> bool:
    """Whether a folder above the prefix is a submodule, whose own index lists the files."""
    parts = prefix.split("/")
    for length in range(1, len(parts)):
        folder = "/".join(parts[:length])
        for entry in _index(top, folder):
            if entry.mode == SUBMODULE and entry.path == folder:
                return True
    return False


def _missing_in_submodule(
    submodule: Repository, recorded: str, path: str, depth: int
) -> Iterator[tuple[str, UnreadableFile | None]]:
    """Return what is missing in a submodule; an empty path means the whole folder."""
    # In an empty folder, git would find and read the outer repository.
    if not (submodule.folder / ".git").exists():
        yield path or CONFIG_FILE, _not_checked_out("is a submodule, and it is", _SUBMODULE_HINT)
    elif _is_behind(submodule, recorded):
        what = "is a submodule, and its recorded commit is"
        yield path or CONFIG_FILE, _not_checked_out(what, _BEHIND_HINT)
    elif depth < MAX_SUBMODULE_DEPTH:
        yield from _missing_in(submodule, "", f"{path}/", depth + 1)


def _is_behind(submodule: Repository, recorded: str) -> bool:
    """Whether a submodule does not contain its recorded commit.

    A newer commit on top of it is a local change; `git pull` leaves an older one.
    """
    try:
        answer = submodule.run("merge-base", "--is-ancestor", recorded, "HEAD")
    except GitError:
        return True  # the commit was never fetched
    return answer is None


def _not_checked_out(what: str, hint: str) -> UnreadableFile:
    return UnreadableFile("not-checked-out", f"{what} not checked out", hint)


def _can_declare(entry: _IndexEntry, path: str) -> bool:
    """Whether an entry of the index can contain integrations."""
    if not is_in_layout(path) or has_hidden_part(path):
        return False
    return entry.mode in {LINK, SUBMODULE} or (entry.mode in REGULAR_FILES and is_yaml(path))


def _index(top: Repository, prefix: str) -> list[_IndexEntry]:
    """List the index under a prefix."""
    # `literal`, because the name of a folder can contain `*` or `[`.
    where = [f":(top,literal){prefix}"] if prefix else []
    listing = top.run("ls-files", "--stage", "-v", "-z", "--", *where) or b""
    entries = []
    for line in split_listing(listing):
        facts, _, path = line.partition("\t")
        flag, mode, identity, *_ = facts.split(" ")
        entries.append(_IndexEntry(flag, mode, identity, path))
    return entries


def _never_checked_out(top: Repository, prefix: str) -> list[_IndexEntry]:
    """List the tree of HEAD if there is no index, as after `clone --no-checkout`."""
    index = top.run("rev-parse", "--git-path", "index") or b""
    if (top.folder / os.fsdecode(index.removesuffix(b"\n"))).exists() or head(top) is None:
        return []
    try:
        tree = tree_entries(top, "HEAD", prefix)
    except GitError:
        # A clone with `--filter=tree:0` cannot list the commit, so its configuration file
        # represents the folder.
        config = f"{prefix}/{CONFIG_FILE}" if prefix else CONFIG_FILE
        if os.path.lexists(top.folder / config):
            raise
        tree = [TreeEntry(config, "100644", "")]
    return [_IndexEntry(_NO_INDEX, entry.mode, entry.identity, entry.path) for entry in tree]
