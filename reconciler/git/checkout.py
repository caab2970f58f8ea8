"""Files that Git tracks and the working tree lacks although no user deleted them.

Sparse checkouts and submodules leave files out while `git status` is clean. If they counted as
absent, their integrations would be deleted. A file that was deleted by hand is not among them. A
pointer of Git LFS is found when its file is read: `reconciler.desired.source`.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from reconciler.desired.config import CONFIG_FILE
from reconciler.desired.documents import is_in_layout
from reconciler.desired.source import FileSource, UnreadableFile, is_yaml
from reconciler.git.repository import (
    LINK,
    MAX_SUBMODULE_DEPTH,
    REGULAR_FILES,
    SUBMODULE,
    GitError,
    Repository,
    TreeEntry,
    has_hidden_part,
    head,
    split_listing,
    tree_entries,
)

_MOST_NAMED = 20
# No flag of `ls-files -v`, so it marks entries that come from a tree instead.
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
    """An entry of the index; `flag` is that of `git ls-files -v`."""

    flag: str
    mode: str
    identity: str
    path: str

    @property
    def is_left_out(self) -> bool:
        """Whether git does not look for the file: skip-worktree (S) or assume-unchanged (h)."""
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
        """List every YAML file that is there or should be."""
        return sorted({*self.base.paths(), *self.missing})

    def other_files(self) -> list[str]:
        """List the files in the working tree that are not YAML."""
        return self.base.other_files()

    def read(self, path: str) -> bytes:
        """Return the content of a file, or raise `UnreadableFile`."""
        if path in self.missing:
            raise self.missing[path]
        return self.base.read(path)

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder, or should be."""
        missing = any(name.startswith(path + "/") for name in self.missing)
        return missing or self.base.has_folder(path)

    def has_file(self, path: str) -> bool:
        """Whether there is anything but a folder, or should be."""
        return path in self.missing or self.base.has_file(path)


def not_checked_out(repository: Repository) -> Mapping[str, UnreadableFile]:
    """Return the files that Git tracks and the folder lacks, by path; of many the first ones.

    Raises `GitError` for a repository that git cannot read.
    """
    # Outside Git no file is tracked, so none can be missing.
    if not repository.exists:
        return {}
    top, prefix = repository.locate()
    missing = dict(_missing_in(top, prefix, ""))
    shown = dict(islice(missing.items(), _MOST_NAMED))
    more = len(missing) - len(shown)
    if more:
        path, problem = shown.popitem()
        summary = f"{problem.summary}, as are {more} more"
        shown[path] = UnreadableFile(problem.code, summary, problem.hint)
    return shown


def _missing_in(
    top: Repository, prefix: str, below: str, depth: int = 0
) -> Iterator[tuple[str, UnreadableFile]]:
    """Find what is missing under a prefix; `below` is put in front of the paths."""
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
        elif entry.is_left_out and not os.path.lexists(place):
            hint = _NO_CHECKOUT_HINT if entry.flag == _NO_INDEX else _SPARSE_HINT
            yield path, _not_checked_out("is declared by Git and", hint)


def _is_in_submodule(top: Repository, prefix: str) -> bool:
    """Whether a folder above the prefix is a submodule, whose own index then holds the files."""
    parts = prefix.split("/")
    for length in range(1, len(parts)):
        folder = "/".join(parts[:length])
        for entry in _index(top, folder):
            if entry.mode == SUBMODULE and entry.path == folder:
                return True
    return False


def _missing_in_submodule(
    submodule: Repository, recorded: str, path: str, depth: int
) -> Iterator[tuple[str, UnreadableFile]]:
    """Find what is missing in a submodule; an empty path means the whole folder."""
    # In an empty folder git would find the outer repository and answer about that.
    if not (submodule.folder / ".git").exists():
        yield path or CONFIG_FILE, _not_checked_out("is a submodule, and it is", _SUBMODULE_HINT)
    elif _is_behind(submodule, recorded):
        what = "is a submodule, and its recorded commit is"
        yield path or CONFIG_FILE, _not_checked_out(what, _BEHIND_HINT)
    elif depth < MAX_SUBMODULE_DEPTH:
        yield from _missing_in(submodule, "", f"{path}/", depth + 1)


def _is_behind(submodule: Repository, recorded: str) -> bool:
    """Whether a submodule lacks the commit that is recorded for it.

    A newer one on top of it is a local commit; `git pull` leaves an older one behind.
    """
    try:
        answer = submodule.run("merge-base", "--is-ancestor", recorded, "HEAD")
    except GitError:
        return True  # the commit was never fetched
    return answer is None


def _not_checked_out(what: str, hint: str) -> UnreadableFile:
    return UnreadableFile("not-checked-out", f"{what} not checked out", hint)


def _can_declare(entry: _IndexEntry, path: str) -> bool:
    """Whether an entry of the index can hold integrations."""
    if not is_in_layout(path) or has_hidden_part(path):
        return False
    return entry.mode in {LINK, SUBMODULE} or (entry.mode in REGULAR_FILES and is_yaml(path))


def _index(top: Repository, prefix: str) -> list[_IndexEntry]:
    """List the index under a prefix."""
    # `literal`, because the name of a folder may hold `*` or `[`.
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
        # A clone with `--filter=tree:0` cannot list the commit; its configuration file stands for
        # the folder.
        config = f"{prefix}/{CONFIG_FILE}" if prefix else CONFIG_FILE
        if os.path.lexists(top.folder / config):
            raise
        tree = [TreeEntry(config, "100644", "")]
    return [_IndexEntry(_NO_INDEX, entry.mode, entry.identity, entry.path) for entry in tree]
