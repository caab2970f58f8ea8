"""The repository that holds a folder, read with the program `git`.

The files of a commit: `reconciler.git.commits`. Files that the working tree lacks:
`reconciler.git.checkout`.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import ReconcilerError

TIMEOUT_SECONDS = 60

REGULAR_FILES = frozenset({"100644", "100755"})
LINK, SUBMODULE = "120000", "160000"
"""Modes of the entries of a tree or the index."""

MAX_SUBMODULE_DEPTH = 8

_PASSED_ON = frozenset({"HOME", "LOGNAME", "PATH", "TMPDIR", "USER", "XDG_CONFIG_HOME"})
"""Variables of the caller that git sees. No `GIT_*` is among them: git itself sets GIT_DIR and
GIT_INDEX_FILE for hooks and aliases, and then answers about another repository."""

_OUR_OWN: Mapping[str, str] = {
    # Messages are searched for `fatal:` and `error:`, which must not be translated.
    "LC_ALL": "C",
    # The folder may be a mount of its own below the repository, as in a container.
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
"""Reading neither fetches, nor writes, nor asks, nor takes one object for another."""


class GitError(ReconcilerError):
    """Git cannot be run, or answers with an error."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file, link or submodule in the tree of a commit; `identity` is the id of its object."""

    path: str
    mode: str
    identity: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that holds a folder; of the caller's `environment` little is passed to git."""

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
        """Return the top of the working tree, and the folder's path in it, empty for the top.

        The folder itself need not exist. Raises `GitError` where it is in no working tree.
        """
        real = Path(os.path.realpath(self.folder))
        nearest = next(place for place in (real, *real.parents) if place.is_dir())
        answer = self.at(nearest).run("rev-parse", "--show-toplevel") or b""
        # Both sides with links resolved, or a folder behind a link would seem to lie outside.
        top = Path(os.path.realpath(os.fsdecode(answer.removesuffix(b"\n"))))
        if not answer.strip() or not real.is_relative_to(top):
            # `core.worktree` can name any place; paths would then mean other files.
            summary = f"git: {self.folder} is not in the working tree of its repository"
            raise GitError(summary, code="git", hint="check `core.worktree` in its .git/config")
        inside = real.relative_to(top).as_posix()
        return self.at(top), "" if inside == "." else inside

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes | None:
        """Run git in the folder; None where it fails without a message.

        Raises `GitError` with git's own message, or where git cannot be run.
        """
        command = ["git", "-C", str(self.folder), *arguments]
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
            hint = "install the program `git`, or check that it answers here"
            raise GitError(reason, code="no-git", hint=hint) from None
        if done.returncode == 0:
            return done.stdout
        message = done.stderr.decode("utf-8", "replace").strip()
        # A failure without a message is an answer: `merge-base --is-ancestor` says no this way.
        if not message:
            return None
        raise _failure(message)


def head(repository: Repository) -> str | None:
    """Return the commit that is checked out; None where that cannot be determined."""
    try:
        return commit_id(repository, "HEAD")
    except GitError:
        return None


def commit_id(repository: Repository, ref: str) -> str | None:
    """Return the full id of a commit, None for an unknown one."""
    # A ref that begins with a dash must not be read as an option.
    # `^{commit}` turns an annotated tag into its commit and refuses any other object.
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    answer = repository.run(*words)
    return answer.decode("ascii", "replace").strip() if answer else None


def tree_entries(top: Repository, commit: str, prefix: str) -> list[TreeEntry]:
    """List the tree of a commit under a prefix; paths count from the top of the repository."""
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
    # `fsdecode`, because a name may hold any bytes and must lead to the same file again.
    return [line for line in os.fsdecode(listing).split("\0") if line]


def has_hidden_part(path: str) -> bool:
    """Return whether a path has a part that begins with a dot; reading files skips those."""
    return any(part.startswith(".") for part in path.split("/"))


def _failure(message: str) -> GitError:
    """Turn git's message into an error; a remedy that git names becomes the hint."""
    lines = [line.strip() for line in message.splitlines()]
    reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0])
    remedy = next((line for line in lines if line.startswith("git config ")), None)
    hint = f"if you trust it, run `{remedy}`" if remedy else "`git status` there shows more"
    return GitError(f"git: {reason}", code="git", hint=hint)
