"""Declarations of a base commit, which a plan with `--base` treats as last applied.

Reading the files of a commit: `reconciler.git.commits`.
"""

from dataclasses import replace
from datetime import date

from reconciler.desired.documents import ENVIRONMENTS
from reconciler.desired.load import load_readable
from reconciler.diagnostics import Diagnostic, Severity, SourceLocation, notice, warning
from reconciler.domain.policy import Target
from reconciler.domain.state import (
    Declared,
    DeclaredAt,
    LastApplied,
    LastAppliedState,
    SecretRecord,
)
from reconciler.domain.tree import references
from reconciler.frozen_dataclass import dataclass
from reconciler.git.commits import files_at
from reconciler.git.repository import Repository
from reconciler.planning.normalize import normalize

BASE_UNREADABLE = "base-unreadable"

# With the earliest date, no `until` of an ignored field has passed.
_NO_RULE_HAS_EXPIRED = date.min
_ACCESS = frozenset({"models", "workspaces"})
_HINT = "choose another commit with --base; files of a commit cannot be repaired"


@dataclass(frozen=True, slots=True)
class DeclaredAtBase:
    """Declarations of a commit; files that cannot be read are in `last_applied.unreadable`."""

    last_applied: LastAppliedState
    diagnostics: tuple[Diagnostic, ...] = ()


def declared_at(ref: str, *, repository: Repository, target: Target) -> DeclaredAtBase:
    """Load the files of a folder at a commit.

    Files that were invalid at that commit leave gaps, and the other files still count. Raises
    `GitError` for an unknown commit or a folder outside of any repository.
    """
    files = files_at(ref, repository=repository)
    if not files.paths():
        found = notice(
            BASE_UNREADABLE,
            f"there are no files at {files.label}, so the earlier declarations are not known",
            hint="if the folder was moved, pass a commit after the move with --base",
        )
        return DeclaredAtBase(LastAppliedState(unreadable=(found,)), (found,))
    state, problems = load_readable(files, target, _NO_RULE_HAS_EXPIRED)
    hiding = [problem for problem in problems if _hides_something(problem)]
    gaps = tuple(_gap(problem) for problem in hiding)
    last_applied = LastAppliedState(
        {
            slug: _last_applied(declared, ref=ref, commit=files.commit)
            for slug, declared in state.integrations.items()
        },
        # A file that could not be read may have declared any slug.
        complete=not gaps,
        unreadable=gaps,
    )
    if any(_hides_overlay(problem, label=files.label) for problem in hiding):
        last_applied = _without_access(last_applied)
    return DeclaredAtBase(last_applied, gaps)


def _last_applied(declared: Declared, *, ref: str, commit: str | None) -> LastApplied:
    """Return a declaration in the ledger's form of the last-applied state."""
    # Normalized, like all paths of secrets: those inside models contain a slug.
    found = references(normalize(declared.fields))
    # Files are named as in a checkout, without the `ref` at the beginning of their labels.
    file = declared.source.file.removeprefix(f"{ref}:")
    return LastApplied(
        declared=declared.fields,
        protected=declared.lifecycle.protected,
        secrets={path: SecretRecord(reference) for path, reference in found},
        declared_at=DeclaredAt(SourceLocation(file, declared.source.line), commit),
    )


def _hides_something(problem: Diagnostic) -> bool:
    """Whether a problem may hide an integration, as a stray file may."""
    return problem.severity is Severity.ERROR or problem.code == "stray-file"


def _hides_overlay(problem: Diagnostic, *, label: str) -> bool:
    """Whether a problem may hide what an overlay removes from the file below it."""
    file = problem.at.file if problem.at else ""
    is_overlay = file.startswith(f"{label}/{ENVIRONMENTS}") or problem.code == "missing-environment"
    return is_overlay and problem.code != "unknown-slug"


def _without_access(last_applied: LastAppliedState) -> LastAppliedState:
    """Drop the declared models and workspaces.

    An entry that an overlay removed was not declared. If it counted as withdrawn by Git, it would
    be revoked even though it was granted outside Git.
    """
    integrations = {}
    for slug, each in last_applied.integrations.items():
        fields = {name: v for name, v in (each.declared or {}).items() if name not in _ACCESS}
        integrations[slug] = replace(each, declared=fields)
    return replace(last_applied, integrations=integrations)


def _gap(problem: Diagnostic) -> Diagnostic:
    at = problem.at or SourceLocation("")
    place = f"{at.file}:{at.line}"
    reason = problem.summary.removeprefix(f"{at.file} ")
    return warning(BASE_UNREADABLE, f"{place}: {reason}", hint=_HINT, at=problem.at)
