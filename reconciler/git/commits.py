"""Read the YAML files of a folder as they were at a commit, without touching the working tree.

What they declared: `git.past`.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.desired.documents import is_in_layout
from reconciler.desired.source import MAX_FILE, UnreadableFile, check_content, is_yaml, too_large
from reconciler.git.repository import GitError, Repository

REGULAR_FILES = frozenset({"100644", "100755"})
LINK, SUBMODULE = "120000", "160000"
MAX_SUBMODULE_DEPTH = 8

_MAX_LINKS = 8
_OBJECT_ID = re.compile(r"\b[0-9a-f]{40,64}\b")
_PARTIAL_CLONE = r"^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$"


@dataclass(frozen=True, slots=True)
class FilesAtCommit:
    """The files of a folder at a commit, by path in it; a source for `reconciler.desired`.

    `unreadable` holds what was there and cannot be read, with the reason. `commit` is the full id
    of the commit, where it came from one.
    """

    files: Mapping[str, bytes]
    label: str
    commit: str | None = None
    unreadable: Mapping[str, UnreadableFile] = field(default_factory=lambda: MappingProxyType({}))
    others: frozenset[str] = frozenset()

    def paths(self) -> list[str]:
        """List every YAML file, whether it can be read or not."""
        return sorted(self.files.keys() | self.unreadable.keys())

    def read(self, path: str) -> bytes:
        """Return the content of a file, or raise `UnreadableFile`."""
        if path in self.unreadable:
            raise self.unreadable[path]
        if path not in self.files:
            raise UnreadableFile(
                "missing-file", "does not exist", "add it, or remove what names it"
            )
        content = self.files[path]
        if len(content) > MAX_FILE:
            raise too_large()
        return check_content(content)

    def has_folder(self, path: str) -> bool:
        """Whether there was a folder; Git keeps none without a file in it."""
        everything = (*self.files, *self.unreadable, *self.others)
        return any(name.startswith(path + "/") for name in everything)

    def has_file(self, path: str) -> bool:
        """Whether there was anything but a folder."""
        return path in self.unreadable or path in self.files or path in self.others


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    identity: str


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
        except GitError:
            return False
        return kind == b"blob\n"


def head(repository: Repository) -> str | None:
    """Return the commit that is checked out; None wherever that cannot be known."""
    try:
        return _commit(repository, "HEAD")
    except GitError:
        return None


def files_at(ref: str, *, repository: Repository) -> FilesAtCommit:
    """Read the YAML files of a folder at a commit, those of its submodules included.

    There are none if the folder did not exist then. Raises `GitError` for an unknown commit, and
    for objects that the repository lacks.
    """
    commit = _commit(repository, ref)
    if commit is None:
        raise GitError(
            f"there is no commit {ref} in the repository of {repository.folder}",
            code="unknown-commit",
            hint="name a commit, a branch or a tag; a shallow clone has few of them",
        )
    top, prefix = repository.locate()
    label = f"{ref}:{prefix}" if prefix else f"{ref}:."
    reading = _Reading(label)
    reading.add(top, commit, prefix=prefix, below="")
    return FilesAtCommit(
        files=MappingProxyType(reading.files),
        label=label,
        commit=commit,
        unreadable=MappingProxyType(reading.unreadable),
        others=frozenset(reading.others),
    )


def _commit(repository: Repository, ref: str) -> str | None:
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    answer = repository.run(*words)
    return answer.decode("ascii", "replace").strip() if answer else None


class _Reading:
    """The files of a folder at a commit while they are gathered."""

    def __init__(self, label: str) -> None:
        self.files: dict[str, bytes] = {}
        self.unreadable: dict[str, UnreadableFile] = {}
        self.others: set[str] = set()
        self._label = label

    def add(self, top: Repository, commit: str, *, prefix: str, below: str, depth: int = 0) -> None:
        """Add what lies under `prefix` at a commit; `below` goes in front of the paths."""
        entries = _entries(top, commit, prefix, self._label)
        wanted: dict[str, str] = {}
        for name, entry in entries.items():
            path = below + name
            if _is_hidden(path):
                continue
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
        entries: Mapping[str, _Entry],
        tree: "_Tree",
        wanted: dict[str, str],
    ) -> None:
        """Follow a link to a file of the folder, as reading the working tree does."""
        at: str | None = name
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
            text = content.decode("utf-8", "surrogateescape")
            if not is_yaml(path) and tree.has_file(at, text):
                return  # such as a README that is shared with other folders
            at = _link_target(at, text)
        self.unreadable[path] = UnreadableFile(
            "symlink",
            "is a symbolic link that leads to no file of the folder",
            "choose another commit with --base",
        )

    def _add_submodule(self, place: Repository, path: str, commit: str, depth: int) -> None:
        """Read a submodule at the commit that was recorded, or note that it cannot be read."""
        try:
            if depth < MAX_SUBMODULE_DEPTH and (place.folder / ".git").exists():
                self.add(
                    place, commit, prefix="", below=f"{path}/" if path else "", depth=depth + 1
                )
                return
        except GitError:
            pass  # the repository of the submodule lacks the commit, or is damaged
        self.unreadable[path or "reconcile.yaml"] = UnreadableFile(
            "not-checked-out",
            f"is in a submodule, and its commit {commit[:12]} is not here",
            "run `git submodule update --init --recursive`, and fetch that commit there",
        )


def _entries(top: Repository, commit: str, prefix: str, label: str) -> dict[str, _Entry]:
    """List the tree under a prefix; a submodule that is the prefix has the empty name."""
    words = ["ls-tree", "-r", "-z", "--full-tree", commit]
    try:
        listing = top.run(*words, *(["--", prefix] if prefix else [])) or b""
    except GitError as problem:
        raise _missing_objects(top, problem, [label]) from problem
    entries = {}
    for line in listing.decode("utf-8", "surrogateescape").split("\0"):
        facts, _, name = line.partition("\t")
        if name and (name == prefix or not prefix or name.startswith(prefix + "/")):
            mode, _, identity = facts.split(" ")
            entries[name.removeprefix(prefix).removeprefix("/") if prefix else name] = _Entry(
                mode, identity
            )
    return entries


def _contents(top: Repository, wanted: Mapping[str, str], label: str) -> dict[str, bytes]:
    """Read objects by path; raises `GitError` that names the files whose objects are missing."""
    asked = dict(wanted)
    missing: list[str] = []
    while asked:
        stdin = "".join(f"{identity}\n" for identity in asked.values()).encode()
        try:
            answer = top.run("cat-file", "--batch", stdin=stdin) or b""
        except GitError as problem:
            # In a partial clone git stops at the first object that it would have to fetch.
            named = set(_OBJECT_ID.findall(problem.summary))
            lacking = [path for path, identity in asked.items() if identity in named]
            if not lacking:
                raise _missing_objects(top, problem, missing) from problem
            missing += lacking
            asked = {path: identity for path, identity in asked.items() if path not in lacking}
            continue
        contents = _split(answer, asked)
        missing += [path for path, content in contents.items() if content is None]
        if missing:
            break
        return {path: content for path, content in contents.items() if content is not None}
    if missing:
        named_files = [f"{label}/{path}" for path in sorted(missing)]
        raise _missing_objects(top, None, named_files)
    return {}


def _split(answer: bytes, asked: Mapping[str, str]) -> dict[str, bytes | None]:
    """Split the answer of `cat-file --batch`; None for an object that is missing."""
    contents: dict[str, bytes | None] = {}
    for path in asked:
        facts, _, rest = answer.partition(b"\n")
        words = facts.split(b" ")
        if len(words) != 3 or not words[2].isdigit():
            contents[path], answer = None, rest
            continue
        size = int(words[2])
        contents[path], answer = rest[:size], rest[size + 1 :]
    return contents


def _missing_objects(top: Repository, cause: GitError | None, files: Iterable[str]) -> GitError:
    """Return the error for objects that a commit names and the repository lacks."""
    named = list(files)
    shown = ", ".join(named[:10]) + (f" and {len(named) - 10} more" if len(named) > 10 else "")
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
        return bool(top.run("config", "--get-regexp", _PARTIAL_CLONE))
    except GitError:
        return False


def _link_target(name: str, text: str) -> str | None:
    """Return where a link leads inside the folder, None where it leads out of it."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), text))
    return None if text.startswith("/") or target.startswith("..") else target


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
