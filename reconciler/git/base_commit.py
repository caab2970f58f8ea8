"""What Git declared at a commit: the memory that `--base` gives a plan.

Reading the files of a commit: `git.commits`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from reconciler.desired.documents import ENVIRONMENTS
from reconciler.desired.load import load_readable
from reconciler.diagnostics import Diagnostic, Severity, SourceLocation, notice, warning
from reconciler.domain.last_applied import DeclaredAt, LastApplied, LastAppliedState, SecretRecord
from reconciler.domain.policy import Target
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import DesiredState
from reconciler.domain.tree import leaves
from reconciler.git.commits import files_at
from reconciler.git.repository import Repository

BASE_UNREADABLE = "base-unreadable"

_NO_RULE_HAS_EXPIRED = date.min
_HINT = "name another commit with --base; this one cannot be mended"


@dataclass(frozen=True, slots=True)
class DeclaredAtBase:
    """What Git declared at a commit. What could not be read stands in `memory.unreadable`."""

    memory: LastAppliedState
    diagnostics: tuple[Diagnostic, ...] = ()


def declared_at(ref: str, *, repository: Repository, target: Target) -> DeclaredAtBase:
    """Load the files of a folder as they were at a commit.

    Files that were broken then leave gaps in the memory, and the other files still count. Raises
    `GitError` for an unknown commit or a folder outside of any repository.
    """
    files = files_at(ref, repository=repository)
    if not files.paths():
        found = notice(
            BASE_UNREADABLE,
            f"there are no files at {files.label}, so what Git declared then is not known",
            hint="if the folder lay elsewhere then, name a commit after the move with --base",
        )
        return DeclaredAtBase(LastAppliedState(unreadable=(found,)), (found,))
    state, found_there = load_readable(files, target, _NO_RULE_HAS_EXPIRED)
    hiding = [problem for problem in found_there if _hides_something(problem)]
    gaps = tuple(_gap(problem) for problem in hiding)
    memory = memory_of(state, unreadable=gaps, ref=ref, commit=files.commit)
    if any(_hides_overlay(problem, label=files.label) for problem in hiding):
        memory = _without_access(memory)
    return DeclaredAtBase(memory, gaps)


def memory_of(
    state: DesiredState,
    *,
    unreadable: Iterable[Diagnostic] = (),
    ref: str = "",
    commit: str | None = None,
) -> LastAppliedState:
    """Take what was declared for what is remembered: trees, protection, names of secrets, places.

    Files are named as they are in a checkout, so without the `ref` that their places begin with.
    """
    gaps = tuple(unreadable)
    return LastAppliedState(
        {
            slug: LastApplied(
                declared=declared.fields,
                protected=declared.lifecycle.protected,
                secrets={
                    path: SecretRecord(value)
                    for path, value in leaves(declared.fields)
                    if isinstance(value, SecretRef)
                },
                declared_at=DeclaredAt(
                    SourceLocation(
                        declared.source.file.removeprefix(f"{ref}:"), declared.source.line
                    ),
                    commit,
                ),
            )
            for slug, declared in state.integrations.items()
        },
        complete=not gaps,
        unreadable=gaps,
    )


def _hides_something(problem: Diagnostic) -> bool:
    """Whether a problem may stand for an integration; a stray file may hold one."""
    return problem.severity is Severity.ERROR or problem.code == "stray-file"


def _hides_overlay(problem: Diagnostic, *, label: str) -> bool:
    """Whether a problem may hide what an overlay took out of the file below it."""
    file = problem.at.file if problem.at else ""
    is_overlay = file.startswith(f"{label}/{ENVIRONMENTS}") or problem.code == "missing-environment"
    return is_overlay and problem.code != "unknown-slug"


def _without_access(memory: LastAppliedState) -> LastAppliedState:
    """Forget which models and workspaces were declared.

    An entry that an overlay removed was not declared. Taken for one that Git withdrew since, it
    would be revoked although it was granted outside Git.
    """
    forgotten = {"models", "workspaces"}
    integrations = {
        slug: replace(
            each,
            declared={n: v for n, v in (each.declared or {}).items() if n not in forgotten},
        )
        for slug, each in memory.integrations.items()
    }
    return replace(memory, integrations=integrations)


def _gap(problem: Diagnostic) -> Diagnostic:
    at = problem.at or SourceLocation("")
    place = f"{at.file}:{at.line}"
    reason = problem.summary.removeprefix(f"{at.file} ")
    return warning(BASE_UNREADABLE, f"{place}: {reason}", hint=_HINT, at=problem.at)
