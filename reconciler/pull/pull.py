"""Pull: make the files say what the API has, and prove it by planning.

`pull` reads the API, changes a copy of the files, loads the copy and plans it against the very
state it was made from. Nothing is written here: `adoption.files.write`. What changes inside a file:
`adoption.drifted`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from reconciler.desired.config import Config
from reconciler.desired.load import load_desired
from reconciler.desired.source import FileSource
from reconciler.diagnostics import Diagnostic, in_order
from reconciler.domain.last_applied import LastAppliedState
from reconciler.domain.rejection import InvalidInput, refuse_other_organisation
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState, Observed, ObservedState
from reconciler.domain.tree import Path, Value, leaves, lookup
from reconciler.planning.normalize import normalize
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.pull.rewrite import Rewrite
from reconciler.pull.selection import Candidates, choose
from reconciler.pull.working_copy import WorkingCopy
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.observe import WantedDetails, observe

Values = Callable[[Iterable[Declared]], Mapping[SecretRef, Redacted]]
"""Gives the secrets at hand of those that some integrations name."""


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What to pull and how to write it.

    Without `patterns` everything in scope; `everything` means beyond the scope, too. `force` writes
    existing documents whole. `template` names references, `keep_mappings` prefers secret mappings.
    """

    patterns: tuple[str, ...] = ()
    everything: bool = False
    force: bool = False
    template: str | None = None
    keep_mappings: bool = False


@dataclass(frozen=True, slots=True)
class SecretCheck:
    """What the API's mask says about the secret that a file names; None without a value at hand."""

    slug: str
    path: Path
    reference: SecretRef
    verdict: MaskVerdict | None


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a pull came to. `changed` holds new and edited files by their path in the folder.

    `new` are paths that did not exist; `left_out` are slugs that were asked for and that no file
    could take over. `plan` is the plan of the changed files that follows, but for `not_compared`:
    declared integrations that were not asked for, and of which only the list row was read.
    """

    slugs: tuple[str, ...]
    changed: Mapping[str, bytes]
    new: frozenset[str]
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
    memory: LastAppliedState = LastAppliedState(),
    known_organisation: str | None = None,
    concurrency: int = 10,
) -> PullResult:
    """Read the API and give the files that make the following plan empty.

    `desired` is what the files declare before. Raises `RemoteError` for an incomplete reading,
    `Refused` for another organisation, `InvalidInput` for patterns or files that do not fit.
    """
    candidates = Candidates(desired, options.patterns, everything=options.everything)
    observed = await _read(api, candidates, concurrency=concurrency)
    organisation = observed.organisation_id
    refuse_other_organisation(desired.target.name, known=known_organisation, found=organisation)
    chosen, remarks = choose(candidates, observed)
    copy = WorkingCopy(files)
    rewriting = Rewrite(copy, desired, options=options, memory=memory, today=today)
    pulled = rewriting.take(chosen)
    after, problems = load_desired(copy.source, config, desired.target, today)
    if after is None:
        raise InvalidInput(problems)
    following = _following(after, observed)
    at_hand = values(following.desired.integrations.values())
    return PullResult(
        slugs=pulled,
        changed=copy.changed,
        new=frozenset(path for path in copy.changed if copy.is_new(path)),
        plan=make_plan(
            desired=following.desired,
            observed=following.observed,
            memory=memory,
            values=at_hand,
            options=PlanOptions(),
            created_at=created_at,
            diagnostics=problems,
        ),
        secrets=tuple(_checks(_only(after, pulled), observed, at_hand)),
        diagnostics=in_order([*remarks, *rewriting.remarks]),
        left_out=_left_out(rewriting.left_out, pulled, candidates, observed),
        not_compared=following.not_compared,
    )


def _left_out(
    failed: Iterable[str], pulled: Iterable[str], candidates: Candidates, there: ObservedState
) -> tuple[str, ...]:
    """Return what could not be taken over, and what was asked for by its name and is not taken."""
    named = {slug for slug in candidates.patterns if slug in there.integrations}
    return tuple(sorted({*failed, *candidates.unreadable(there), *(named - set(pulled))}))


@dataclass(frozen=True, slots=True)
class _Following:
    """Both sides of the plan that follows, without what was not read in detail."""

    desired: DesiredState
    observed: ObservedState
    not_compared: tuple[str, ...]


def _following(after: DesiredState, observed: ObservedState) -> _Following:
    unread = tuple(
        slug
        for slug in after.integrations
        if (row := observed.live.get(slug)) is not None and not row.detailed
    )
    declared = {s: d for s, d in after.integrations.items() if s not in unread}
    rows = {s: row for s, row in observed.integrations.items() if s not in unread}
    return _Following(
        replace(after, integrations=declared), replace(observed, integrations=rows), unread
    )


async def _read(api: IntegrationsAPI, candidates: Candidates, *, concurrency: int) -> ObservedState:
    desired = candidates.desired
    return await observe(
        api,
        wants=_wants(candidates),
        concurrency=concurrency,
        expected=desired.integrations.keys(),
        known_fields=desired.target.known_fields,
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
    return replace(desired, integrations=chosen, tombstones={})


def _checks(
    desired: DesiredState, observed: ObservedState, values: Mapping[SecretRef, Redacted]
) -> Iterable[SecretCheck]:
    """Compare every named secret with the mask the API shows for it."""
    for slug, declared in desired.integrations.items():
        stored = normalize(observed.integrations[slug].fields)
        for path, reference in leaves(normalize(declared.fields)):
            if not isinstance(reference, SecretRef):
                continue
            value, mask = values.get(reference), lookup(stored, path)
            verdict = None if value is None else _judged(value, mask)
            yield SecretCheck(slug, path, reference, verdict)


def _judged(value: Redacted, stored: Value) -> MaskVerdict:
    return value.judged_by(stored) if isinstance(stored, Mask) else MaskVerdict.UNREADABLE
