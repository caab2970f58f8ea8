"""Commits of a folder: its YAML files at a commit, and the order of commits.

The files are read without touching the working tree. `reconciler.git.base_commit` returns their
declarations.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from reconciler.desired.documents import is_in_layout
from reconciler.desired.source import MAX_FILE, UnreadableFile, check_content, is_yaml, too_large
from reconciler.diagnostics import named
from reconciler.frozen_dataclass import dataclass
from reconciler.git.repository import (
    LINK,
    MAX_SUBMODULE_DEPTH,
    REGULAR_FILES,
    SUBMODULE,
    GitError,
    Repository,
    TreeEntry,
    commit_id,
    has_hidden_part,
    head,
    tree_entries,
)

_MAX_LINKS = 8  # a longer chain of links counts as a loop
_OBJECT_ID = re.compile(r"\b[0-9a-f]{40,64}\b")
_PARTIAL_CLONE = r"^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$"


@dataclass(frozen=True, slots=True)
class FilesAtCommit:
    """Files of a folder at a commit, by path in it; a source for `reconciler.desired`.

    `unreadable` contains the files that existed but cannot be read, with the reason. `commit` is
    the full id of the commit.
    """

    files: Mapping[str, bytes]
    label: str
    commit: str | None = None
    unreadable: Mapping[str, UnreadableFile] = field(default_factory=lambda: MappingProxyType({}))
    others: frozenset[str] = frozenset()

    def paths(self) -> list[str]:
        """List every YAML file, readable or not."""
        return sorted(self.files.keys() | self.unreadable.keys())

    def other_files(self) -> list[str]:
        """Return none: only YAML files are read from a commit."""
        return []

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return the content of a file, or raise `UnreadableFile`."""
        if path in self.unreadable:
            raise self.unreadable[path]
        if path not in self.files:
            raise UnreadableFile(
                "missing-file", "does not exist", "add it, or remove the reference to it"
            )
        content = self.files[path]
        if len(content) > limit:
            raise too_large(limit)
        return check_content(content)

    def has_folder(self, path: str) -> bool:
        """Whether there was a folder; Git does not store empty ones."""
        everything = (*self.files, *self.unreadable, *self.others)
        return any(name.startswith(path + "/") for name in everything)

    def has_file(self, path: str) -> bool:
        """Whether there was anything but a folder."""
        return path in self.unreadable or path in self.files or path in self.others


@dataclass(frozen=True, slots=True)
class _Tree:
    top: Repository
    commit: str
    prefix: str

    def has_file(self, name: str, link: str) -> bool:
        """Whether a link of the folder leads to a file, anywhere in the repository."""
        target = _link_target(posixpath.join(self.prefix, name), link)
        if target is None:
            return False
        try:
            kind = self.top.run("cat-file", "-t", f"{self.commit}:{target}")
        # git also fails for a path that the commit does not contain.
        except GitError:
            return False
        return kind == b"blob\n"


def files_at(ref: str, *, repository: Repository) -> FilesAtCommit:
    """Read the YAML files of a folder at a commit, including those of its submodules.

    The result is empty if the folder did not exist. Raises `GitError` for an unknown commit, and
    for objects that are missing in the repository.
    """
    commit = commit_id(repository, ref)
    if commit is None:
        raise GitError(
            f"there is no commit {ref} in the repository of {repository.folder}",
            code="unknown-commit",
            hint="pass a commit, a branch or a tag; a shallow clone contains only a few",
        )
    top, prefix = repository.locate()
    # In the notation of git, so that `git show` accepts a displayed path.
    label = f"{ref}:{prefix}" if prefix else f"{ref}:."
    collector = _Collector(label)
    collector.add(top, commit, prefix=prefix, below="")
    return FilesAtCommit(
        files=MappingProxyType(collector.files),
        label=label,
        commit=commit,
        unreadable=MappingProxyType(collector.unreadable),
        others=frozenset(collector.others),
    )


class _Collector:
    """Collector of the files of a folder at a commit, tree by tree."""

    def __init__(self, label: str) -> None:
        self.files: dict[str, bytes] = {}
        self.unreadable: dict[str, UnreadableFile] = {}
        self.others: set[str] = set()
        self._label = label

    def add(self, top: Repository, commit: str, *, prefix: str, below: str, depth: int = 0) -> None:
        """Add the files under `prefix` at a commit; `below` is prepended to their paths."""
        entries = _entries(top, commit, prefix, self._label)
        wanted: dict[str, str] = {}
        for name, entry in entries.items():
            path = below + name
            if has_hidden_part(path):
                continue
            # Stored under the name of the link, as in the working tree.
            if entry.mode in REGULAR_FILES and is_yaml(path):
                wanted[path] = entry.identity
            elif entry.mode == LINK and is_in_layout(path):
                self._add_link(name, path, entries, _Tree(top, commit, prefix), wanted)
            elif entry.mode == SUBMODULE and (not name or is_in_layout(path)):
                place = top.at(top.folder / prefix / name)
                self._add_submodule(place, path, entry.identity, depth)
            else:
                self.others.add(path)
        self.files |= _contents(top, wanted, self._label)

    def _add_link(
        self,
        name: str,
        path: str,
        entries: Mapping[str, TreeEntry],
        tree: "_Tree",
        wanted: dict[str, str],
    ) -> None:
        """Follow a link to a file in the folder, like the working tree."""
        at: str | None = name
        # Links can form a circle.
        for _ in range(_MAX_LINKS):
            entry = entries.get(at) if at is not None else None
            if at is None or entry is None:
                break
            if entry.mode in REGULAR_FILES:
                if is_yaml(path):
                    wanted[path] = entry.identity
                return
            if entry.mode != LINK:
                break
            content = _contents(tree.top, {at: entry.identity}, self._label)[at]
            text = os.fsdecode(content)
            if not is_yaml(path) and tree.has_file(at, text):
                return  # for example a README that other folders share
            at = _link_target(at, text)
        self.unreadable[path] = UnreadableFile(
            "symlink",
            "is a symbolic link that does not point to a file in the folder",
            "choose another commit with --base",
        )

    def _add_submodule(self, place: Repository, path: str, commit: str, depth: int) -> None:
        """Read a submodule at its recorded commit, or record that it cannot be read."""
        try:
            # Without `.git` there, git would find and read the outer repository.
            if depth < MAX_SUBMODULE_DEPTH and (place.folder / ".git").exists():
                self.add(
                    place, commit, prefix="", below=f"{path}/" if path else "", depth=depth + 1
                )
                return
        except GitError:
            pass  # the repository of the submodule lacks the commit or is damaged
        # An empty path is the folder itself, which its configuration file represents.
        self.unreadable[path or "reconcile.yaml"] = UnreadableFile(
            "not-checked-out",
            f"is in a submodule, and its commit {commit[:12]} is not here",
            "run `git submodule update --init --recursive`, and fetch that commit there",
        )


def _entries(top: Repository, commit: str, prefix: str, label: str) -> dict[str, TreeEntry]:
    """List the tree under a prefix by path in it, which is empty for a submodule at the prefix."""
    try:
        entries = tree_entries(top, commit, prefix)
    except GitError as problem:
        raise _missing_objects(top, problem, [label]) from problem
    if not prefix:
        return {entry.path: entry for entry in entries}
    found = {}
    for entry in entries:
        if entry.path == prefix or entry.path.startswith(f"{prefix}/"):
            found[entry.path.removeprefix(prefix).removeprefix("/")] = entry
    return found


def _contents(top: Repository, wanted: Mapping[str, str], label: str) -> dict[str, bytes]:
    """Read objects by path; raises a `GitError` that lists the files with missing objects."""
    pending = dict(wanted)
    missing: list[str] = []
    # Each round removes at least one path or ends the loop.
    while pending:
        stdin = "".join(f"{identity}\n" for identity in pending.values()).encode()
        try:
            answer = top.run("cat-file", "--batch", stdin=stdin) or b""
        except GitError as problem:
            # In a partial clone, git stops at the first object that it would have to fetch.
            identities = set(_OBJECT_ID.findall(problem.summary))
            absent = [path for path, identity in pending.items() if identity in identities]
            # The message names no requested object, so the loop would not end.
            if not absent:
                raise _missing_objects(top, problem, missing) from problem
            missing += absent
            pending = {path: each for path, each in pending.items() if path not in absent}
            continue
        contents = _split(answer, pending)
        missing += [path for path, content in contents.items() if content is None]
        if missing:
            break
        return {path: content for path, content in contents.items() if content is not None}
    if missing:
        named_files = [f"{label}/{path}" for path in sorted(missing)]
        raise _missing_objects(top, None, named_files)
    return {}


def _split(answer: bytes, wanted: Iterable[str]) -> dict[str, bytes | None]:
    """Split the output of `cat-file --batch`; None for a missing object."""
    contents: dict[str, bytes | None] = {}
    for path in wanted:
        facts, _, rest = answer.partition(b"\n")
        words = facts.split(b" ")
        # For a missing object, git prints `<id> missing` without a size.
        if len(words) != 3 or not words[2].isdigit():
            contents[path], answer = None, rest
            continue
        size = int(words[2])
        # git writes a line feed after each object, which is not part of its size.
        contents[path], answer = rest[:size], rest[size + 1 :]
    return contents


def _missing_objects(top: Repository, cause: GitError | None, files: Iterable[str]) -> GitError:
    """Return the error for missing objects to which a commit refers."""
    shown = named(list(files), limit=10)
    if _is_partial(top):
        return GitError(
            f"this partial clone lacks objects of {shown or 'the commit'}",
            code="not-checked-out",
            hint="run `git fetch --refetch --no-filter`, or clone without --filter",
        )
    if cause is not None:
        return cause
    return GitError(
        f"the repository lacks objects of {shown}",
        code="missing-object",
        hint="run `git fsck`; a fresh clone has every object",
    )


def _is_partial(top: Repository) -> bool:
    try:
        # This only selects the message: the missing objects are reported in any case.
        return bool(top.run("config", "--get-regexp", _PARTIAL_CLONE))
    except GitError:
        return False


def _link_target(name: str, text: str) -> str | None:
    """Return the target of a link inside the folder, None for a target outside."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), text))
    return None if text.startswith("/") or target.startswith("..") else target


_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CommitOrder:
    """Commits compared with `head`, each list in the order of the input.

    `newer` are descendants of `head`. The order of `unknown` ones cannot be determined: they are
    not in this clone, or a shallow clone (`is_shallow`) does not have the commits in between.
    """

    head: str
    newer: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    is_shallow: bool = False


def compare_with_head(repository: Repository, commits: Sequence[str]) -> CommitOrder | None:
    """Compare commits with the checked-out commit; return None if there is none.

    Strings other than full commit ids are ignored. Raises `GitError` for a repository that git
    cannot read.
    """
    here = head(repository)
    if here is None:
        return None
    others = [each for each in dict.fromkeys(commits) if _COMMIT.fullmatch(each) and each != here]
    if not others:
        return CommitOrder(here)
    known = known_commits(repository, others)
    newer = _descendants(repository, here, [each for each in others if each in known])
    shallow = is_shallow(repository)
    # If history is cut off, a commit without a path to this one may still have had one.
    decided = newer | _history(repository, here) if shallow else known
    return CommitOrder(
        here,
        newer=tuple(each for each in others if each in newer),
        unknown=tuple(each for each in others if each not in decided),
        is_shallow=shallow,
    )


def newest_known(repository: Repository, commits: Sequence[str]) -> str | None:
    """Return a commit that is not an ancestor of the others; unknown ones do not count.

    Raises `GitError` for a repository that git cannot read.
    """
    full = [each for each in commits if _COMMIT.fullmatch(each)]
    known = known_commits(repository, full) if full else frozenset()
    if not known:
        return None
    stdin = "".join(f"{each}\n" for each in full if each in known).encode()
    # In topological order, no commit comes before its descendants.
    words = ("rev-list", "--topo-order", "--max-count=1", "--stdin")
    return (repository.run(*words, stdin=stdin) or b"").decode("ascii", "replace").strip() or None


def known_commits(repository: Repository, commits: Sequence[str]) -> frozenset[str]:
    """Return the full commit ids that are in this clone."""
    stdin = "".join(f"{each}\n" for each in commits).encode()
    # On standard input, because many ids would exceed the maximum length of a command line.
    answer = repository.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=stdin)
    lines = (answer or b"").decode("ascii", "replace").splitlines()
    found = (line.partition(" ") for line in lines)
    # git prints `missing` for an unknown id; an id can also name another kind of object.
    return frozenset(name for name, _, kind in found if kind == "commit")


def is_shallow(repository: Repository) -> bool:
    """Return whether a part of the history is missing in the clone."""
    return (repository.run("rev-parse", "--is-shallow-repository") or b"").strip() == b"true"


def _history(repository: Repository, commit: str) -> frozenset[str]:
    answer = repository.run("rev-list", commit) or b""
    return frozenset(answer.decode("ascii", "replace").split())


def _descendants(repository: Repository, ancestor: str, commits: Sequence[str]) -> frozenset[str]:
    """Return the commits between an ancestor and its descendants.

    One walk for all of them, because `merge-base --is-ancestor` would start git once for each.
    """
    if not commits:
        return frozenset()
    stdin = "".join(f"{each}\n" for each in (f"^{ancestor}", *commits)).encode()
    answer = repository.run("rev-list", "--ancestry-path", "--stdin", stdin=stdin) or b""
    return frozenset(answer.decode("ascii", "replace").split())
