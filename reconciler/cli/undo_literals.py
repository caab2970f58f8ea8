"""Look for the literal values that an undo needs: in the files, and in earlier commits.

The ledger withholds them. What is found counts only if its fingerprint is the recorded one
(`reconciler.execution.undo_literals`), so nothing here has to be complete: what is not found is
named.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from reconciler import git
from reconciler.desired.load import load_readable
from reconciler.desired.source import DirectorySource
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted
from reconciler.domain.tree import Tree, leaves
from reconciler.execution.undo_literals import NO_LITERALS, Literals
from reconciler.git.base_commit import declared_at
from reconciler.ledger.models import PreImage
from reconciler.planning.normalize import normalize

_COMMITS = 3
"""Earlier commits that are read at most; the literal most often stands in the newest one."""


def literals_of(
    repository: git.Repository,
    *,
    target: Target,
    images: Sequence[PreImage],
    earlier: Sequence[Mapping[str, Any]],
) -> Literals:
    """Read the files of today and of earlier commits, if a picture lacks any literal.

    `earlier` are the runs before the one that is undone, oldest first.
    """
    slugs = {image.slug for image in images if _lacks_literals(image)}
    if not slugs:
        return NO_LITERALS
    today, _ = load_readable(DirectorySource(repository.folder), target, date.min)
    return Literals(
        today={s: item.fields for s, item in today.integrations.items() if s in slugs},
        earlier=tuple(_declared_at(_commits(earlier, slugs), repository, target)),
    )


def _lacks_literals(image: PreImage) -> bool:
    """Return whether Git declared a literal that the record withholds."""
    declared = normalize(image.declared or {})
    return any(isinstance(leaf, Redacted) for _, leaf in leaves(declared))


def _commits(earlier: Iterable[Mapping[str, Any]], slugs: set[str]) -> list[str]:
    """Return the newest commits whose runs wrote one of these integrations."""
    found: dict[str, None] = {}
    for run in reversed(list(earlier)):
        touched = {str(outcome["slug"]) for outcome in run["outcomes"]}
        if run["commit"] and touched & slugs:
            found[str(run["commit"])] = None
    return list(found)[:_COMMITS]


def _declared_at(
    commits: Iterable[str], repository: git.Repository, target: Target
) -> Iterator[Mapping[str, Tree]]:
    for commit in commits:
        try:
            past = declared_at(commit, repository=repository, target=target)
        except git.GitError:
            continue  # the commit is not here, for instance in a shallow clone
        known = past.last_applied.integrations
        yield {s: item.declared for s, item in known.items() if item.declared is not None}
