"""State before a run of the ledger as a desired state, for `undo` and its apply.

`reconciler.execution.undo` describes what can be restored. The ledger withholds literal values, so
they are looked up in the files and in earlier commits. A value counts only if it has the recorded
fingerprint (`reconciler.execution.undo_fields`); missing ones are reported.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.desired_source import DesiredInput, read_target, repository_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import LedgerSnapshot, ledger_access_of
from reconciler.desired.load import load_readable
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import SHADOW_SUFFIX
from reconciler.domain.tree import Tree, leaves
from reconciler.errors import InvalidInput, Refused
from reconciler.execution.result import Status
from reconciler.execution.undo import options_for, undo_of
from reconciler.execution.undo_fields import NO_LITERALS, Literals
from reconciler.git.base_commit import declared_at
from reconciler.ledger.models import PreImage
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import PlanOptions, Selection, unmatched_patterns

_COMMITS = 3
"""Maximum number of earlier commits to read; the newest one usually has the literal."""


class UndoSource:
    """Run of the ledger to undo; integrations that it never reached are left unchanged."""

    def __init__(self, invocation: Invocation, run: str, *, for_files: bool = False) -> None:
        """Read the run's record; `for_files` skips literal values, which files may not contain."""
        self.run = run
        self.environment = invocation.environment or settings.from_environment()
        self.target = read_target(invocation, self.environment)
        with ledger_access_of(invocation, self.environment).open(read_only=True) as ledger:
            this = next(iter(ledger.history(run=run)), None)
            if this is None:
                raise InvalidInput([_unknown(run)])
            self._refuse_other_target(this["target"])
            # All that is needed is read here: the ledger is closed before the API is read, which
            # can take minutes.
            earlier = ledger.history(before=run, target=self.target.name)
            later = ledger.history(after=run, target=self.target.name)
            untouched = _untouched(this["outcomes"])
            images = ledger.pre_images(run)
            self._made = ledger.made_by_runs(run, [image.slug for image in images])
        # A run records pre-images of everything that its plan changes, sent or not. The shadow of a
        # rotation is not restored, because only the run that created it needed it.
        self._images = [
            image for image in images if image.slug not in untouched and not _is_shadow(image)
        ]
        self._later = [item for item in later if self._is_ours(item["target"])]
        self._literals = find_literals(
            repository_of(invocation, self.environment),
            target=self.target,
            images=() if for_files else self._images,
            earlier=[item for item in earlier if self._is_ours(item["target"])],
        )

    def options(self, options: PlanOptions) -> PlanOptions:
        """Restrict options to what the run changed; raise `InvalidInput` for unmatched patterns."""
        self.refuse_unmatched(options.selection)
        return options_for(self._images, options)

    def refuse_unmatched(self, selection: Selection) -> None:
        """Raise `InvalidInput` for each `--only` pattern that matches nothing the run changed."""
        what = f"integration that run {self.run} changed"
        slugs = [image.slug for image in self._images]
        if unmatched := unmatched_patterns(selection, slugs, what=what):
            raise InvalidInput(unmatched)

    def desired_input(self, past: LedgerSnapshot) -> DesiredInput:
        """Return the state before the run."""
        undo = undo_of(
            self.run,
            self._images,
            target=self.target,
            last_applied=past.last_applied,
            made=self._made,
            literals=self._literals,
        )
        found = (*undo.diagnostics, *self._changed_later())
        return DesiredInput(undo.desired, undo.last_applied, found, undo)

    def _refuse_other_target(self, target: object) -> None:
        recorded = target if isinstance(target, dict) else {}
        if not self._is_ours(target):
            where = f"{recorded.get('name')} at {recorded.get('base_url')}"
            problem = error(
                "wrong-target",
                f"run {self.run} was on target {where}",
                hint="select that target with --target",
            )
            raise Refused([problem])

    def _is_ours(self, target: object) -> bool:
        """Compare a recorded target with this one; a first run may have no organisation."""
        recorded = target if isinstance(target, dict) else {}
        # Both: a target that was moved to another host has other integrations under the same slugs.
        return (recorded.get("name"), recorded.get("base_url")) == (
            self.target.name,
            self.target.base_url,
        )

    def _changed_later(self) -> list[Diagnostic]:
        ours = {image.slug for image in self._images}
        found = []
        for item in self._later:
            both = sorted(ours & _touched(item["outcomes"]))
            if both:
                summary = (
                    f"run {item['run']} changed {', '.join(both)} afterwards; fields that both "
                    f"changed are restored to their values before run {self.run}"
                )
                found.append(warning("changed-later", summary))
        return found


def _touched(outcomes: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(item["slug"]) for item in outcomes} - _untouched(outcomes)


def _untouched(outcomes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the integrations that a run planned to change without sending any write."""
    return {
        str(item["slug"])
        for item in outcomes
        if item["status"] == Status.SKIPPED
        or (item["status"] == Status.FAILED and not item["attempts"])
    }


def _unknown(run: str) -> Diagnostic:
    hint = "run `reconcile history` to list the runs; a run without actions is not recorded"
    return error("unknown-run", f"the ledger has no run {run}", hint=hint)


def find_literals(
    repository: git.Repository,
    *,
    target: Target,
    images: Sequence[PreImage],
    earlier: Sequence[Mapping[str, Any]],
) -> Literals:
    """Read the current files and earlier commits, if a pre-image lacks any literal.

    `earlier` are the runs before the one that is undone, oldest first.
    """
    slugs = {image.slug for image in images if _lacks_literals(image)}
    if not slugs:
        return NO_LITERALS
    # The earliest date, because an expired exception would be an error.
    today, _ = load_readable(DirectorySource(repository.folder), target, date.min)
    return Literals(
        today={s: item.fields for s, item in today.integrations.items() if s in slugs},
        earlier=tuple(_declared_at(_commits(earlier, slugs), repository, target)),
    )


def _is_shadow(image: PreImage) -> bool:
    """Return whether a pre-image is that of the shadow of a rotation."""
    if image.observed is None or not image.slug.endswith(SHADOW_SUFFIX):
        return False
    from reconciler.planning.staging import marked_run  # few runs have shadows

    return marked_run(image.observed) is not None


def _lacks_literals(image: PreImage) -> bool:
    """Return whether Git declared a literal that the record withholds."""
    declared = normalize(image.declared or {})
    return any(isinstance(leaf, Redacted) for _, leaf in leaves(declared))


def _commits(earlier: Iterable[Mapping[str, Any]], slugs: set[str]) -> list[str]:
    """Return the newest commits whose runs wrote one of these integrations."""
    # A dictionary removes duplicates and keeps the order.
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
            continue  # the clone lacks the commit, for example because it is shallow
        known = past.last_applied.integrations
        yield {s: item.declared for s, item in known.items() if item.declared is not None}
