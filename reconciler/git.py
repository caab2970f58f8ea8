"""What Git declared at a commit: the files of a folder as they were then. Read-only.

It runs the program `git`, which alone knows every form of a repository. No working tree is touched.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

from reconciler.desired.config import Config
from reconciler.desired.load import load_desired
from reconciler.desired.source import MemorySource, is_yaml
from reconciler.diagnostics import Diagnostic, Severity, has_errors, warning
from reconciler.domain.memory import Memory, Remembered, SecretRecord
from reconciler.domain.policy import Target
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import DesiredState
from reconciler.domain.tree import leaves
from reconciler.errors import ReconcilerError

_REGULAR_FILES = frozenset({"100644", "100755"})
_PATIENCE_SECONDS = 60
_NO_RULE_HAS_EXPIRED = date.min


class GitError(ReconcilerError):
    """The commit or the repository cannot be read."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Past:
    """What Git declared at a commit; `memory` is empty where that cannot be told."""

    memory: Memory
    diagnostics: tuple[Diagnostic, ...] = ()


def declared_at(ref: str, *, folder: Path, config: Config, target: Target) -> Past:
    """Load the files of `folder` as they were at `ref`, under the rules of today's configuration.

    Files that were broken then give a warning and no memory, so nothing counts as withdrawn.
    Raises `GitError` for an unknown commit or a folder outside of any repository.
    """
    files = MemorySource(files_at(ref, folder=folder), label=f"{ref}:{folder}")
    # What a tombstone of today buries was rightly declared then.
    rules = replace(config, tombstones=MappingProxyType({}))
    state, found = load_desired(files, rules, target, _NO_RULE_HAS_EXPIRED)
    if state is None or has_errors(found):
        first = next((d for d in found if d.severity is Severity.ERROR), None)
        where = f": {first.summary}" if first else ""
        summary = f"the files at {ref} have errors, so what Git declared then is not known{where}"
        hint = "choose another commit with --base"
        return Past(Memory(), (warning("base-unreadable", summary, hint=hint),))
    return Past(memory_of(state))


def memory_of(state: DesiredState) -> Memory:
    """Take what was declared for what is remembered: trees, protection, names of secrets."""
    return Memory(
        {
            slug: Remembered(
                declared=declared.fields,
                protected=declared.lifecycle.protected,
                secrets={
                    path: SecretRecord(value)
                    for path, value in leaves(declared.fields)
                    if isinstance(value, SecretRef)
                },
            )
            for slug, declared in state.integrations.items()
        },
        complete=True,
    )


def head(folder: Path) -> str | None:
    """Give the commit that is checked out around a folder; None wherever that cannot be told."""
    try:
        said = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except GitError:
        return None
    return said.decode("ascii", "replace").strip() if said else None


def files_at(ref: str, *, folder: Path) -> Mapping[str, bytes]:
    """Read the YAML files of a folder at a commit; there are none if it did not exist then."""
    commit = _git(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
    )
    if commit is None:
        raise GitError(
            f"there is no commit {ref} in the repository of {folder}",
            code="unknown-commit",
            hint="name a commit, a branch or a tag; a shallow clone has few of them",
        )
    listing = _git(folder, "ls-tree", "-r", "-z", commit.decode().strip(), ".") or b""
    names: dict[str, str] = {}
    for entry in listing.decode("utf-8", "surrogateescape").split("\0"):
        about, _, name = entry.partition("\t")
        mode, _, identity = about.partition(" blob ")
        if mode in _REGULAR_FILES and is_yaml(name) and not _is_hidden(name):
            names[name] = identity
    return dict(zip(names, _contents(folder, list(names.values())), strict=True))


def _contents(folder: Path, identities: Sequence[str]) -> list[bytes]:
    asked = "".join(f"{identity}\n" for identity in identities).encode()
    answer = _git(folder, "cat-file", "--batch", stdin=asked) or b""
    contents = []
    for _ in identities:
        head, _, rest = answer.partition(b"\n")
        size = int(head.rpartition(b" ")[2])
        contents.append(rest[:size])
        answer = rest[size + 1 :]
    return contents


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes | None:
    """Run git in a folder; None when it says no without a word."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; arguments are no shell text
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            input=stdin,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        reason = f"git cannot be run: {type(problem).__name__}"
        raise GitError(reason, code="no-git", hint="--base needs the program git") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip()
    if not said:
        return None
    hint = "--base reads a commit of the repository that holds the files; `git status` tells more"
    raise GitError(f"git: {said.splitlines()[0]}", code="git", hint=hint)
