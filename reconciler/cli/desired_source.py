"""Sources of a desired state: the checked-out files, and those of a commit.

Commands that only read files also use this module, so it does not import the API client or the
ledger. A run to undo is another source: `reconciler.cli.undo_source`. Sessions are opened in
`reconciler.cli.wiring`.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from reconciler import git
from reconciler.cli import settings
from reconciler.cli.global_options import Invocation
from reconciler.cli.model_gate import days_of
from reconciler.cli.options import ReadingOptions
from reconciler.cli.settings import Settings
from reconciler.desired.config import Config, choose_target, override_base_url
from reconciler.desired.load import Loaded, load, load_config
from reconciler.desired.source import DirectorySource, FileSource
from reconciler.diagnostics import Diagnostic, has_errors, warning
from reconciler.domain.policy import Target
from reconciler.domain.state import DesiredState, LastAppliedState, merged
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.views.escape import visible

if TYPE_CHECKING:
    from reconciler.cli.ledger_access import LedgerSnapshot
    from reconciler.execution.undo import UndoRevision


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files of the folder; `doubts` are the reasons why they may be incomplete.

    `skipped` is True if Git does not look for changes of some of them.
    """

    files: FileSource
    doubts: tuple[Diagnostic, ...] = ()
    skipped: bool = False


def repository_of(invocation: Invocation, environment: Settings | None = None) -> git.Repository:
    """Return the repository that holds the files."""
    environment = environment or settings.from_environment()
    return git.Repository(invocation.dir, environment.environment)


def checkout_of(invocation: Invocation, environment: Settings | None = None) -> FolderFiles:
    """Return the files of the folder, and the tracked files that are not checked out."""
    there = DirectorySource(invocation.dir)
    try:
        indexed = git.indexed_files(repository_of(invocation, environment))
    # The files can still be used; the warning blocks deletes (`read_past`).
    except git.GitError as problem:
        summary = f"cannot verify that all files are checked out: {problem.summary}"
        return FolderFiles(there, (warning("checkout-unverified", summary, hint=problem.hint),))
    files = git.CheckedOutFiles(there, indexed.missing) if indexed.missing else there
    return FolderFiles(files, skipped=indexed.skipped)


class DesiredSource(Protocol):
    """Source of a desired state: the files, or the pre-images of a run to undo."""

    @property
    def environment(self) -> Settings: ...
    @property
    def target(self) -> Target: ...
    def desired_input(self, past: "LedgerSnapshot") -> "DesiredInput": ...


@dataclass(frozen=True, slots=True)
class DesiredInput:
    """A desired state, with the last-applied state and the diagnostics of both."""

    desired: DesiredState
    last_applied: LastAppliedState
    diagnostics: tuple[Diagnostic, ...] = ()
    undo: "UndoRevision | None" = None


class FolderSource:
    """Files as they are now and, with `--base`, as they were at a commit."""

    def __init__(self, invocation: Invocation, reading: ReadingOptions) -> None:
        environment = invocation.environment or settings.from_environment()
        repository = repository_of(invocation, environment)
        found = git.checked_out(repository)
        commit = environment.commit or found.commit
        checkout = checkout_of(invocation, environment)
        may_differ = found.has_changes or checkout.skipped
        self.environment = replace(environment, commit=commit, uncommitted=may_differ)
        self._loaded, self._desired = read_files(
            invocation,
            self.environment,
            checkout.files,
            retirement_days=days_of(reading.fail_on) if reading.fail_on else None,
        )
        target, doubts = self._desired.target, checkout.doubts
        self._past, self._past_diagnostics = read_past(
            repository, reading.base, target, doubts=doubts
        )
        self.target = self._desired.target

    def desired_input(self, past: "LedgerSnapshot") -> DesiredInput:
        """Return what the files declare."""
        last_applied = merged(past.last_applied, self._past)
        found = (*self._loaded.diagnostics, *self._past_diagnostics)
        return DesiredInput(self._desired, last_applied, found)


def read_target(invocation: Invocation, environment: Settings) -> Target:
    """Read only reconcile.yaml and return the selected target."""
    config, found = load_config(invocation.dir)
    if config is None or has_errors(found):
        raise InvalidInput(found)
    target, problems = choose_target(config, invocation.target)
    if target is not None and environment.base_url:
        target, problems = override_base_url(target, environment.base_url)
    if target is None:
        raise InvalidInput(problems)
    _announce_override(invocation, environment, target)
    _announce_unused_key(invocation, environment, config, target)
    return target


def read_files(
    invocation: Invocation,
    environment: Settings,
    files: FileSource | None = None,
    *,
    retirement_days: int | None = None,
) -> tuple[Loaded, DesiredState]:
    """Return what the files declare for the selected target; raise `InvalidInput` for mistakes."""
    loaded = load(
        files or checkout_of(invocation, environment).files,
        target_name=invocation.target,
        today=settings.now().date(),
        base_url_override=environment.base_url,
        retirement_days=retirement_days,
    )
    if loaded.state is None or has_errors(loaded.diagnostics):
        raise InvalidInput(loaded.diagnostics)
    _announce_override(invocation, environment, loaded.state.target)
    if loaded.config is not None:
        _announce_unused_key(invocation, environment, loaded.config, loaded.state.target)
    return loaded, loaded.state


def read_past(
    repository: git.Repository, base: str | None, target: Target, *, doubts: Iterable[Diagnostic]
) -> tuple[LastAppliedState, tuple[Diagnostic, ...]]:
    """Return what Git declared at the commit of `--base`, or nothing without it.

    `doubts` about the checkout become part of its `unreadable`, so that they block deletes.
    """
    last_applied, found = LastAppliedState(), tuple(doubts)
    if base is not None:
        from reconciler.git.base_commit import declared_at  # few runs compare with a commit

        past = declared_at(base, repository=repository, target=target)
        last_applied, found = past.last_applied, (*past.diagnostics, *doubts)
    return replace(last_applied, unreadable=(*last_applied.unreadable, *doubts)), found


def _announce_override(invocation: Invocation, environment: Settings, target: Target) -> None:
    if environment.base_url and not target.is_simulator:
        where = visible(target.base_url, None)
        invocation.console.info(
            f"notice: PORTKEY_BASE_URL overrides the URL of target {target.name}: {where}"
        )


def _announce_unused_key(
    invocation: Invocation, environment: Settings, config: Config, target: Target
) -> None:
    """Report variables that are not used because the default target is the simulator."""
    if invocation.target is not None or not target.is_simulator:
        return
    keys = {other.api_key for other in config.targets.values() if other.api_key is not None}
    names = {"PORTKEY_API_KEY", "PORTKEY_BASE_URL"}
    names |= {key.locator for key in keys if key.scheme == "env"}
    # CI systems set a secret that does not exist to an empty string.
    given = sorted(name for name in names if environment.environment.get(name, "").strip())
    if not given:
        return
    others = sorted(name for name, other in config.targets.items() if not other.is_simulator)
    choice = f"--target {visible(others[0])}" if len(others) == 1 else "--target NAME"
    verb = "is" if len(given) == 1 else "are"
    invocation.console.info(
        f"notice: {', '.join(given)} {verb} set but not used: target {visible(target.name)}, the "
        f"default, is the embedded simulator; to use another target, add {choice}"
    )
