"""Where a desired state comes from: the files, today's and those of a commit, or a run to undo.

Opening what it takes to act on one: `reconciler.cli.wiring`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.checkout import checkout_of, repository_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import LedgerAccess
from reconciler.cli.options import ReadingOptions
from reconciler.cli.settings import Settings
from reconciler.cli.undo_literals import literals_of
from reconciler.desired.config import choose_target, override_base_url
from reconciler.desired.load import Loaded, load, load_config
from reconciler.desired.source import FileSource
from reconciler.diagnostics import Diagnostic, SourceLocation, error, has_errors, warning
from reconciler.domain.last_applied import LastAppliedState, merged
from reconciler.domain.policy import Target
from reconciler.domain.rejection import InvalidInput, Refused
from reconciler.domain.state import DesiredState
from reconciler.execution.result import Status
from reconciler.execution.undo import UndoRevision, options_for, undo_of
from reconciler.git.base_commit import DeclaredAtBase, declared_at
from reconciler.ledger.snapshot import LedgerSnapshot
from reconciler.planning.options import PlanOptions, Selection
from reconciler.views.escape import visible
from reconciler.workflows import unmatched_patterns


class DesiredSource(Protocol):
    """Where the desired state comes from: the files, or the pictures of a run to be undone."""

    @property
    def environment(self) -> Settings: ...
    @property
    def target(self) -> Target: ...
    def wish(self, past: LedgerSnapshot) -> "DesiredInput": ...


@dataclass(frozen=True, slots=True)
class DesiredInput:
    """A desired state, with what is known of the past and what was found on the way."""

    desired: DesiredState
    memory: LastAppliedState
    diagnostics: tuple[Diagnostic, ...] = ()
    undo: UndoRevision | None = None


class FolderSource:
    """The files as they are now, and with `--base` as they were at a commit."""

    def __init__(self, invocation: Invocation, reading: ReadingOptions) -> None:
        environment = invocation.environment or settings.from_environment()
        repository = repository_of(invocation, environment)
        commit = environment.commit or git.head(repository)
        self.environment = replace(environment, commit=commit)
        checkout = checkout_of(invocation, environment)
        self._loaded, self._desired = read_files(invocation, self.environment, checkout.files)
        target, doubts = self._desired.target, checkout.doubts
        self._past = read_past(repository, reading.base, target, doubts=doubts)
        self.target = self._desired.target

    def wish(self, past: LedgerSnapshot) -> DesiredInput:
        """Ask for what the files declare."""
        memory = merged(past.last_applied, self._past.last_applied)
        found = (*self._loaded.diagnostics, *self._past.diagnostics)
        return DesiredInput(self._desired, memory, found)


class UndoSource:
    """A run of the ledger that is to be undone; what it never reached is left alone."""

    def __init__(self, invocation: Invocation, run: str, *, to_edit: bool = False) -> None:
        """Read the run's record; `to_edit` is for files, where no literal value is written."""
        self.run = run
        self.environment = invocation.environment or settings.from_environment()
        self.target = read_target(invocation, self.environment)
        with records_of(invocation, self.environment).open(read_only=True) as ledger:
            this = next(iter(ledger.history(run=run)), None)
            if this is None:
                raise InvalidInput([_unknown(run)])
            self._refuse_other_target(this["target"])
            earlier = ledger.history(before=run, target=self.target.name)
            later = ledger.history(after=run, target=self.target.name)
            untouched = _untouched(this["outcomes"])
            images = ledger.pre_images(run)
            self._made = ledger.made_by_runs(run, [image.slug for image in images])
        self._images = [image for image in images if image.slug not in untouched]
        self._later = [item for item in later if self._is_ours(item["target"])]
        self._literals = literals_of(
            repository_of(invocation, self.environment),
            target=self.target,
            images=() if to_edit else self._images,
            earlier=[item for item in earlier if self._is_ours(item["target"])],
        )

    def options(self, options: PlanOptions) -> PlanOptions:
        """Narrow options to what the run changed; `InvalidInput` for a pattern of anything else."""
        self.refuse_unmatched(options.selection)
        return options_for(self._images, options)

    def refuse_unmatched(self, selection: Selection) -> None:
        """Raise `InvalidInput` for each pattern of `--only` that the run has nothing to do with."""
        what = f"integration that run {self.run} changed"
        slugs = [image.slug for image in self._images]
        if unmatched := unmatched_patterns(selection, slugs, what=what):
            raise InvalidInput(unmatched)

    def wish(self, past: LedgerSnapshot) -> DesiredInput:
        """Ask for how things were before the run."""
        undo = undo_of(
            self.run,
            self._images,
            target=self.target,
            memory=past.last_applied,
            made=self._made,
            literals=self._literals,
        )
        found = (*undo.diagnostics, *self._changed_later())
        return DesiredInput(undo.desired, undo.memory, found, undo)

    def _refuse_other_target(self, target: object) -> None:
        said = target if isinstance(target, dict) else {}
        if not self._is_ours(target):
            where = f"{said.get('name')} at {said.get('base_url')}"
            problem = error(
                "wrong-target",
                f"run {self.run} was on target {where}",
                hint="choose that one with --target",
            )
            raise Refused([problem])

    def _is_ours(self, target: object) -> bool:
        """Compare a recorded target with ours; a first run may not know its organisation yet."""
        said = target if isinstance(target, dict) else {}
        return (said.get("name"), said.get("base_url")) == (self.target.name, self.target.base_url)

    def _changed_later(self) -> list[Diagnostic]:
        ours = {image.slug for image in self._images}
        return [
            warning(
                "changed-later",
                f"run {item['run']} changed {', '.join(both)} afterwards; what both changed goes "
                f"back to before run {self.run}",
            )
            for item in self._later
            if (both := sorted(ours & _touched(item["outcomes"])))
        ]


def state_folder(invocation: Invocation) -> Path:
    """Return `.reconcile`, which lies beside the folder of the files; raises `InvalidInput`."""
    return state_folder_in(invocation.dir.absolute().parent)


def state_folder_in(parent: Path) -> Path:
    """Return `.reconcile` in a folder.

    Raises `InvalidInput` for a link in its place, through which another ledger would be read.
    """
    folder = parent / ".reconcile"
    if folder.is_symlink():
        summary = f"{folder} is a symbolic link in place of a folder, which is not followed"
        hint = "put the folder itself in its place"
        raise InvalidInput([error("symlink", summary, hint=hint, at=SourceLocation(str(folder)))])
    return folder


def records_of(invocation: Invocation, environment: Settings) -> LedgerAccess:
    """Give the place of the ledger."""
    return LedgerAccess(state_folder(invocation), environment)


def _touched(outcomes: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(item["slug"]) for item in outcomes} - _untouched(outcomes)


def _untouched(outcomes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Give what a run planned and did not send a single write for."""
    return {
        str(item["slug"])
        for item in outcomes
        if item["status"] == Status.SKIPPED
        or (item["status"] == Status.FAILED and not item["attempts"])
    }


def _unknown(run: str) -> Diagnostic:
    hint = "run `reconcile history` to list the runs"
    return error("unknown-run", f"the ledger has no run {run}", hint=hint)


def read_target(invocation: Invocation, environment: Settings) -> Target:
    """Read reconcile.yaml alone and choose the target."""
    config, found = load_config(invocation.dir)
    if config is None or has_errors(found):
        raise InvalidInput(found)
    target, problems = choose_target(config, invocation.target)
    if target is not None and environment.base_url:
        target, problems = override_base_url(target, environment.base_url)
    if target is None:
        raise InvalidInput(problems)
    _announce_override(invocation, environment, target)
    return target


def read_files(
    invocation: Invocation, environment: Settings, files: FileSource | None = None
) -> tuple[Loaded, DesiredState]:
    """Read what the files declare for the chosen target, or raise all that is wrong with them."""
    loaded = load(
        files or checkout_of(invocation, environment).files,
        target_name=invocation.target,
        today=settings.now().date(),
        base_url_override=environment.base_url,
    )
    if loaded.state is None or has_errors(loaded.diagnostics):
        raise InvalidInput(loaded.diagnostics)
    _announce_override(invocation, environment, loaded.state.target)
    return loaded, loaded.state


def read_past(
    repository: git.Repository, base: str | None, target: Target, *, doubts: Iterable[Diagnostic]
) -> DeclaredAtBase:
    """Read what Git declared at the commit of `--base`, nothing without one.

    `doubts` about the checkout become part of its `unreadable`, so that they hold back deletes.
    """
    past = DeclaredAtBase(LastAppliedState())
    if base is not None:
        past = declared_at(base, repository=repository, target=target)
    known = past.last_applied
    last_applied = replace(known, unreadable=(*known.unreadable, *doubts))
    return DeclaredAtBase(last_applied, (*past.diagnostics, *doubts))


def _announce_override(invocation: Invocation, environment: Settings, target: Target) -> None:
    if environment.base_url and not target.is_simulator:
        where = visible(target.base_url, None)
        invocation.console.say(f"notice: PORTKEY_BASE_URL sends target {target.name} to {where}")
