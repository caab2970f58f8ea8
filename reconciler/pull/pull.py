"""Pull: write the API's state into the files, and verify it with a plan.

`pull` reads the API, edits a copy of the files, loads the copy and plans it against the same read.
`reconciler.pull.working_copy.write` writes to disk. Edits inside a file: `reconciler.pull.edits`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from reconciler.desired.config import Config
from reconciler.desired.load import load_desired
from reconciler.desired.source import FileSource
from reconciler.diagnostics import Diagnostic, in_order
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    DesiredState,
    LastAppliedState,
    Observed,
    ObservedState,
)
from reconciler.domain.tree import Path, Value, lookup, references
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.pull.rewrite import Rewrite
from reconciler.pull.selection import Candidates, choose
from reconciler.pull.working_copy import WorkingCopy
from reconciler.remote.api import IntegrationsAPI, OnProgress
from reconciler.remote.observe import WantedDetails, observe

if TYPE_CHECKING:
    from reconciler.pull.terraform_adoption import Adoption

Values = Callable[[Iterable[Declared]], Mapping[SecretRef, Redacted]]
"""Returns the available values of the secrets that integrations name."""


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What to pull and how to write it.

    Without `patterns`, all integrations in scope are pulled; with `everything`, those outside the
    scope are also pulled. `force` rewrites existing documents. `template` is the pattern of
    reference names, and `keep_mappings` writes secret mappings in place of references.
    """

    patterns: tuple[str, ...] = ()
    everything: bool = False
    force: bool = False
    template: str | None = None
    keep_mappings: bool = False


@dataclass(frozen=True, slots=True)
class SecretCheck:
    """Whether the API's mask fits a declared secret; None if its value is not available."""

    slug: str
    path: Path
    reference: SecretRef
    verdict: MaskVerdict | None


@dataclass(frozen=True, slots=True)
class PullResult:
    """Result of a pull. `changed` are the new and edited files by their path in the folder.

    `before` is the previous content of edited files. `new` are the paths that did not exist;
    `left_out` are the requested integrations that no file could declare. `plan` is the plan of the
    changed files, without `not_compared`: declared integrations that were not requested, and for
    which only the list row was read.
    """

    slugs: tuple[str, ...]
    changed: Mapping[str, bytes]
    new: frozenset[str]
    before: Mapping[str, bytes]
    plan: Plan
    secrets: tuple[SecretCheck, ...]
    diagnostics: tuple[Diagnostic, ...]
    left_out: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


async def pull(
    api: IntegrationsAPI,
    files: FileSource,
    *,
    config: Config,
    desired: DesiredState,
    options: PullOptions,
    values: Values,
    today: date,
    created_at: str,
    last_applied: LastAppliedState = LastAppliedState(),
    known_organisation: str | None = None,
    concurrency: int = 10,
    on_progress: OnProgress | None = None,
    terraform: "Adoption | None" = None,
) -> PullResult:
    """Read the API and return the files for which the next plan is empty.

    `desired` is what the files declare now; `terraform` limits the pull to what a state manages.
    Raises `RemoteError`, `Refused` for another organisation, and `InvalidInput` for the files.
    """
    among = terraform.slugs if terraform is not None else None
    candidates = Candidates(desired, options.patterns, options.everything, among)
    observed = await _read(api, candidates, concurrency=concurrency, on_progress=on_progress)
    observed.require_organisation(known_organisation, target=desired.target.name)
    chosen, diagnostics = _choose(candidates, observed, terraform)
    copy = WorkingCopy(files)
    rewrite = Rewrite(copy, desired, options=options, last_applied=last_applied, today=today)
    if terraform is not None:
        rewrite.folders = terraform.folders
    pulled = rewrite.declare(chosen)
    after, problems = _load(copy, config, desired, today)
    # The plan verifies the result, because `pull` guarantees that the next plan is empty.
    following = _following(after, observed)
    known = at_hand = values(following.desired.integrations.values())
    if terraform is not None:
        last_applied, in_state = terraform.learn(after, observed, last_applied, pulled)
        known = {**in_state, **at_hand}
        diagnostics += terraform.diagnostics
    return PullResult(
        slugs=pulled,
        changed=copy.changed,
        new=copy.new,
        before=copy.before,
        plan=following.plan(last_applied, known, created_at=created_at, diagnostics=problems),
        secrets=tuple(_secret_checks(_only(after, pulled), observed, at_hand)),
        diagnostics=in_order(diagnostics + rewrite.diagnostics),
        left_out=_left_out(rewrite.left_out, pulled, candidates, observed, terraform),
        not_compared=following.not_compared,
    )


def _choose(
    candidates: Candidates, observed: ObservedState, terraform: "Adoption | None"
) -> tuple[Mapping[str, Observed], list[Diagnostic]]:
    """Return the integrations to pull; of those from Terraform, only what it manages."""
    chosen, diagnostics = choose(candidates, observed)
    if terraform is not None:
        requested = {slug for slug in terraform.slugs if candidates.matches(slug)}
        desired = candidates.desired
        chosen = terraform.narrow(chosen, observed, desired, requested=requested)
    return chosen, diagnostics


def _load(
    copy: WorkingCopy, config: Config, desired: DesiredState, today: date
) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
    """Return what the edited files declare; raises `InvalidInput` if they do not load."""
    after, problems = load_desired(copy.source, config, desired.target, today)
    if after is None:
        raise InvalidInput(problems)
    return after, problems


def _left_out(
    failed: Iterable[str],
    pulled: Iterable[str],
    candidates: Candidates,
    there: ObservedState,
    terraform: "Adoption | None",
) -> tuple[str, ...]:
    """Return what no file could declare, and what was requested but not pulled."""
    named = {slug for slug in candidates.patterns if slug in there.integrations}
    if candidates.among is not None:
        named = {slug for slug in candidates.among if candidates.matches(slug)}
    slugs = sorted({*failed, *candidates.unreadable(there), *(named - set(pulled))})
    return tuple(slugs) if terraform is None else terraform.labels(slugs)


@dataclass(frozen=True, slots=True)
class _Following:
    """Both sides of the next plan, without integrations for which only the list row was read."""

    desired: DesiredState
    observed: ObservedState
    not_compared: tuple[str, ...]

    def plan(
        self,
        last_applied: LastAppliedState,
        values: Mapping[SecretRef, Redacted],
        *,
        created_at: str,
        diagnostics: tuple[Diagnostic, ...],
    ) -> Plan:
        """Return the next plan."""
        return make_plan(
            desired=self.desired,
            observed=self.observed,
            last_applied=last_applied,
            values=values,
            # Without the options of the command, because a plain `reconcile plan` must be empty.
            options=PlanOptions(),
            created_at=created_at,
            diagnostics=diagnostics,
        )


def _following(after: DesiredState, observed: ObservedState) -> _Following:
    live = observed.live
    # A row of the list does not have most fields, so it would seem to differ in all of them.
    unread = tuple(s for s in after.integrations if s in live and not live[s].detailed)
    declared = {s: d for s, d in after.integrations.items() if s not in unread}
    rows = {s: row for s, row in observed.integrations.items() if s not in unread}
    return _Following(
        replace(after, integrations=declared), replace(observed, integrations=rows), unread
    )


async def _read(
    api: IntegrationsAPI,
    candidates: Candidates,
    *,
    concurrency: int,
    on_progress: OnProgress | None,
) -> ObservedState:
    desired = candidates.desired
    return await observe(
        api,
        wants=_wants(candidates),
        concurrency=concurrency,
        expected=desired.integrations.keys(),
        known_fields=desired.target.known_fields,
        on_progress=on_progress,
    )


def _wants(candidates: Candidates) -> Callable[[Observed], WantedDetails | None]:
    def want(row: Observed) -> WantedDetails | None:
        if not candidates.includes(row):
            return None
        # A file cannot list workspaces of an integration that belongs to one.
        return WantedDetails(models=True, workspaces=not row.fields.get("workspace_id"))

    return want


def _only(desired: DesiredState, slugs: Iterable[str]) -> DesiredState:
    chosen = {slug: desired.integrations[slug] for slug in slugs if slug in desired.integrations}
    # Tombstones name integrations without secrets.
    return replace(desired, integrations=chosen, tombstones={})


def _secret_checks(
    desired: DesiredState, observed: ObservedState, values: Mapping[SecretRef, Redacted]
) -> Iterable[SecretCheck]:
    """Compare the value of every declared secret with the mask that the API shows."""
    for slug, declared in desired.integrations.items():
        stored = normalize(observed.integrations[slug].fields)
        for path, reference in references(normalize(declared.fields)):
            value, mask = values.get(reference), lookup(stored, path)
            verdict = None if value is None else _judged(value, mask)
            yield SecretCheck(slug, path, reference, verdict)


def _judged(value: Redacted, stored: Value) -> MaskVerdict:
    return value.judged_by(stored) if isinstance(stored, Mask) else MaskVerdict.UNREADABLE
