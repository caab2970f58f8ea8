"""Refusal to apply a commit after a newer one.

Such an apply would revert the changes of the newer commit. Causes are a re-run of an old job and a
clone that was not updated.
"""

from collections.abc import Sequence

from reconciler import git
from reconciler.cli.settings import Settings
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.errors import Refused
from reconciler.git.commits import CommitOrder, compare_with_head

STALE_COMMIT = "stale-commit"


def refuse_older_commit(
    repository: git.Repository, commits: Sequence[str], environment: Settings
) -> tuple[Diagnostic, ...]:
    """Raise `Refused` if a completed run applied a descendant of the checked-out commit.

    `commits` are those of the finished runs, newest first. Returns a warning if the last one is not
    on any branch of a complete clone that a CI job has just made, as after a force-push. In any
    other clone, such a commit may be the newer one.
    """
    ours = environment.commit
    compared = list(commits)
    if ours:
        compared.append(ours)
    try:
        order = compare_with_head(repository, compared)
    except git.GitError:
        return ()  # reading the files adds the warning `checkout-unverified`
    # A CI job names the commit of its repository. Files in a submodule belong to another
    # repository.
    if order is None or (ours in order.unknown and not order.is_shallow):
        return ()
    if order.newer:
        raise Refused([_stale(order)])
    last = commits[0] if commits else None
    if last not in order.unknown:
        return ()
    if environment.in_ci and not order.is_shallow:
        summary = f"commit {last}, which was applied last, is not on any branch of this clone"
        return (warning("unknown-commit", summary),)
    raise Refused([_undecided(order, last)])


def _stale(order: CommitOrder) -> Diagnostic:
    return error(
        STALE_COMMIT,
        f"commit {order.head} is older than {order.newer[0]}, which was applied already",
        hint="check out the newest commit; to apply the older commit on purpose, pass "
        "--allow-older-commit",
    )


def _undecided(order: CommitOrder, last: str) -> Diagnostic:
    command = "git fetch --unshallow" if order.is_shallow else "git fetch --all"
    return error(
        STALE_COMMIT,
        f"commit {order.head} may be older than {last}, which was applied last: this clone does "
        "not have that commit",
        hint=f"run `{command}` (on GitHub: fetch-depth: 0), or pass --allow-older-commit",
    )
