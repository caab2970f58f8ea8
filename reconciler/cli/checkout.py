"""Files of the desired-state folder as Git has them checked out.

Commands that only read files need no other module and start in half the time. What a plan or an
apply needs is in `reconciler.cli.desired_source`.
"""

from dataclasses import dataclass

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.desired.source import DirectorySource, FileSource
from reconciler.diagnostics import Diagnostic, warning


@dataclass(frozen=True, slots=True)
class Checkout:
    """Files of the folder; `doubts` says why Git cannot verify that they are complete."""

    files: FileSource
    doubts: tuple[Diagnostic, ...] = ()


def repository_of(invocation: Invocation, environment: Settings | None = None) -> git.Repository:
    """Return the repository that holds the files."""
    environment = environment or settings.from_environment()
    return git.Repository(invocation.dir, environment.environment)


def checkout_of(invocation: Invocation, environment: Settings | None = None) -> Checkout:
    """Return the files of the folder, with those that Git declares and that are not checked out."""
    there = DirectorySource(invocation.dir)
    try:
        missing = git.not_checked_out(repository_of(invocation, environment))
    # The files are there all the same; the warning holds back deletes (`desired_source.read_past`).
    except git.GitError as problem:
        summary = f"cannot verify that all files are checked out: {problem.summary}"
        return Checkout(there, (warning("checkout-unverified", summary, hint=problem.hint),))
    return Checkout(git.CheckedOutFiles(there, missing) if missing else there)
