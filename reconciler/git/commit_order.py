"""Order of commits: the commits that contain the checked-out commit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.git.repository import Repository, head

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CommitOrder:
    """Commits compared with `head`, each list in the order in which they were given.

    `newer` are descendants of `head`. The order of `unknown` ones cannot be determined: they are
    not in this clone, or a shallow clone (`is_shallow`) lacks the commits between.
    """

    head: str
    newer: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    is_shallow: bool = False


def compare_with_head(repository: Repository, commits: Sequence[str]) -> CommitOrder | None:
    """Compare commits with the checked-out commit; return None if there is none.

    Strings that are no full commit id are ignored. Raises `GitError` for a repository that git
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
    # Where history is cut off, a commit without a path to this one may still have had one.
    decided = newer | _history(repository, here) if shallow else known
    return CommitOrder(
        here,
        newer=tuple(each for each in others if each in newer),
        unknown=tuple(each for each in others if each not in decided),
        is_shallow=shallow,
    )


def newest_known(repository: Repository, commits: Sequence[str]) -> str | None:
    """Return one of some commits that is no ancestor of the others; those not here do not count.

    Raises `GitError` for a repository that git cannot read.
    """
    full = [each for each in commits if _COMMIT.fullmatch(each)]
    known = known_commits(repository, full) if full else frozenset()
    if not known:
        return None
    stdin = "".join(f"{each}\n" for each in full if each in known).encode()
    # In topological order no commit comes before its descendants.
    words = ("rev-list", "--topo-order", "--max-count=1", "--stdin")
    return (repository.run(*words, stdin=stdin) or b"").decode("ascii", "replace").strip() or None


def known_commits(repository: Repository, commits: Sequence[str]) -> frozenset[str]:
    """Return those of some full commit ids that are in this clone."""
    stdin = "".join(f"{each}\n" for each in commits).encode()
    # On standard input, because many ids would exceed the length of a command line.
    answer = repository.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=stdin)
    lines = (answer or b"").decode("ascii", "replace").splitlines()
    found = (line.partition(" ") for line in lines)
    # An unknown id is answered with `missing`; an id may also name an object of another kind.
    return frozenset(name for name, _, kind in found if kind == "commit")


def is_shallow(repository: Repository) -> bool:
    """Return whether the clone lacks a part of its history."""
    return (repository.run("rev-parse", "--is-shallow-repository") or b"").strip() == b"true"


def _history(repository: Repository, commit: str) -> frozenset[str]:
    answer = repository.run("rev-list", commit) or b""
    return frozenset(answer.decode("ascii", "replace").split())


def _descendants(repository: Repository, ancestor: str, commits: Sequence[str]) -> frozenset[str]:
    """Return the commits between an ancestor and some commits that descend from it.

    One walk for all of them: `merge-base --is-ancestor` would start git once for each.
    """
    if not commits:
        return frozenset()
    stdin = "".join(f"{each}\n" for each in (f"^{ancestor}", *commits)).encode()
    answer = repository.run("rev-list", "--ancestry-path", "--stdin", stdin=stdin) or b""
    return frozenset(answer.decode("ascii", "replace").split())
