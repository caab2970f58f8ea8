"""The system in a few functions: plan, apply and drift.

Each takes values and collaborators and returns values. Nothing here prints, asks the environment or
reads a clock; `reconciler.cli.wiring` puts the collaborators together.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.facts import SubResource
from reconciler.domain.last_applied import LastAppliedState
from reconciler.domain.rejection import (
    CannotDecide,
    InvalidInput,
    Refused,
    refuse_other_organisation,
)
from reconciler.domain.schema import fields_of
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import DesiredState, Observed, ObservedState
from reconciler.drift.incremental import IncrementalRead
from reconciler.drift.report import DriftReport, detect_drift
from reconciler.errors import ReconcilerError
from reconciler.execution.action_runner import RunDependencies
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Emit
from reconciler.execution.executor import execute
from reconciler.execution.preflight import Approval, require_ready, require_values
from reconciler.execution.result import ApplyResult, Status
from reconciler.execution.undo import UndoRevision
from reconciler.execution.verification import ExistenceCheck
from reconciler.planning.actions import ActionKind
from reconciler.planning.options import PlanOptions, Selection
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.removals import is_candidate
from reconciler.planning.undeclared import (
    NO_AUDIT,
    Audit,
    Unread,
    adds_entries,
    audited_parts,
    with_audited_parts,
)
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.clock import Clock
from reconciler.remote.damaged_rows import damaged, nameless_rows
from reconciler.remote.errors import RemoteError
from reconciler.remote.observe import WantedDetails, observe, read_parts
from reconciler.remote.pagination import list_all


@dataclass(frozen=True, slots=True)
class Session:
    """What a run works with.

    `secrets` are the values at hand and `missing` says of the others why not. `diagnostics` are
    findings from before: of the files, the allow-list, the ledger. `known_organisation` is the one
    that answered on this target before, None on the first run. `ledger` is the state of the ledger
    that outputs begin with. `undo` replaces the files by how things were before a run.
    """

    desired: DesiredState
    api: IntegrationsAPI
    timing: Clock
    secrets: Mapping[SecretRef, Redacted] = field(default_factory=lambda: MappingProxyType({}))
    missing: Mapping[SecretRef, ReconcilerError] = field(
        default_factory=lambda: MappingProxyType({})
    )
    memory: LastAppliedState = LastAppliedState()
    diagnostics: tuple[Diagnostic, ...] = ()
    known_organisation: str | None = None
    ledger: str = "fresh"
    commit: str | None = None
    parallelism: int = 10
    require_secrets: bool = False
    undo: UndoRevision | None = None

    @property
    def now(self) -> datetime:
        """Give the time in UTC."""
        return datetime.fromtimestamp(self.timing.wall_clock(), UTC)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply saw and planned, and what became of it.

    `organisation_id` is whose API it is, read once more if an empty list could not tell;
    `diagnostics` are what came up after the last write.
    """

    plan: Plan
    observed: ObservedState
    result: ApplyResult
    organisation_id: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


async def plan(session: Session, options: PlanOptions) -> Plan:
    """Read the API and decide what has to change.

    Raises `RemoteError` for an incomplete reading, `Refused` for another organisation than before,
    and `InvalidInput` for missing values if the session requires secrets.
    """
    planned, _ = await _fresh_plan(session, options)
    return planned


async def observe_and_plan(session: Session, options: PlanOptions) -> tuple[Plan, ObservedState]:
    """Return a plan with the reading it was made from; raises what `plan` raises."""
    return await _fresh_plan(session, options)


async def apply(
    session: Session,
    options: PlanOptions,
    *,
    approval: Approval,
    confirm: Callable[[Plan], bool],
    emit: Emit,
    run: str,
    stop: CancelToken,
    abort_on_error: bool = False,
) -> Applied:
    """Plan afresh, check every guard and the approval, ask if need be, and carry it out.

    Nothing is written before all checks have passed. Raises what `plan` raises, `Refused` for a
    guard, an approval or the answer no, and `InvalidInput` for a value that would have to be sent.
    """
    planned, observed = await _fresh_plan(session, options)
    require_ready(
        planned,
        approval,
        desired=session.desired,
        values=session.secrets,
        missing=session.missing,
        now=session.now,
    )
    if planned.actions and approval.asks and not confirm(planned):
        raise Refused([error("declined", "the answer was no; nothing was written")], plan=planned)
    result = await execute(
        planned,
        run=run,
        dependencies=_dependencies(session, planned, observed),
        emit=emit,
        concurrency=session.parallelism,
        abort_on_error=abort_on_error,
        stop=stop,
        shard=options.selection.part,
    )
    organisation = observed.organisation_id
    if organisation is None and result.summary[Status.APPLIED] and not stop.requested:
        organisation = await _organisation(session.api)
    return Applied(planned, observed, result, organisation)


def _dependencies(session: Session, planned: Plan, observed: ObservedState) -> RunDependencies:
    known_fields = session.desired.target.known_fields
    return RunDependencies(
        api=session.api,
        existence=ExistenceCheck(session.api, observed.listed, _lister(session.api), known_fields),
        planned=frozenset(action.slug for action in planned.actions),
        values=session.secrets,
        timing=session.timing,
    )


async def drift(
    session: Session, options: PlanOptions, *, rounds: IncrementalRead | None = None
) -> DriftReport:
    """Return how the API differs from the files, and who moved; always audits.

    With `rounds` only what moved and a sample is read. Raises what `plan` raises, and
    `CannotDecide` where the ledger cannot be read.
    """
    require_ledger(session)
    planned, _ = await _fresh_plan(session, replace(options, audit=True), rounds)
    return detect_drift(planned, not_read=rounds.not_read if rounds else 0)


def require_ledger(session: Session) -> None:
    """Raise `CannotDecide` where the ledger cannot be read: "in sync" could not be relied on."""
    problem = session.memory.ledger_problem
    if problem is None:
        return
    summary = f"drift cannot be judged without the ledger: {problem.summary}"
    raise CannotDecide([error(problem.code, summary, hint=problem.hint)])


async def _organisation(api: IntegrationsAPI) -> str | None:
    try:
        return (await list_all(api)).organisation_id
    except RemoteError:
        return None  # the run is over and reported; the next one learns it


async def _fresh_plan(
    session: Session, options: PlanOptions, rounds: IncrementalRead | None = None
) -> tuple[Plan, ObservedState]:
    observed = await _observed(session, options, rounds)
    name, known = session.desired.target.name, session.known_organisation
    refuse_other_organisation(name, known=known, found=observed.organisation_id)
    _refuse_unmatched(session, options.selection, observed)
    audit = await _audit(session, options, observed, rounds)
    planned = _made_of(session, options, observed, rounds, audit)
    if missed := _removed_unread(planned):
        # The list did not tell that these are replaced; their details did.
        observed = await _observed(session, options, None, also=missed)
        planned = _made_of(session, options, observed, rounds, audit)
    if session.undo is not None:
        planned = session.undo.revise(planned, session.secrets)
    if session.require_secrets:
        require_values(session.missing, session.secrets, session.missing, session.desired, planned)
    return planned, observed


async def _audit(
    session: Session, options: PlanOptions, observed: ObservedState, rounds: IncrementalRead | None
) -> Audit:
    """Read the parts that no file declares, except of what `rounds` took for unchanged."""
    if not options.audit or session.undo is not None:
        return NO_AUDIT  # an undo concerns one run, not what the files leave out
    wanted: dict[str, frozenset[SubResource]] = {}
    for slug in _selected(session, options) & observed.live.keys():
        if rounds is None or rounds.has_read(slug):
            declared = session.desired.integrations[slug]
            wanted[slug] = audited_parts(declared, observed.live[slug])
    reads = await read_parts(session.api, wanted, concurrency=session.parallelism)
    seen = {s: with_audited_parts(observed.live[s], read) for s, read in reads.parts.items()}
    for slug, audited in seen.items():
        if rounds is not None and adds_entries(observed.live[slug], audited):
            rounds.read_again(slug)
    unread = [Unread(slug, part, reason) for (slug, part), reason in reads.refused.items()]
    return Audit(seen, unread)


def _made_of(
    session: Session,
    options: PlanOptions,
    observed: ObservedState,
    rounds: IncrementalRead | None,
    audit: Audit,
) -> Plan:
    return make_plan(
        desired=session.desired,
        observed=observed,
        memory=session.memory,
        values=session.secrets,
        options=options,
        created_at=timestamp(session.now),
        commit=session.commit,
        diagnostics=(*session.diagnostics, *(rounds.diagnostics() if rounds else ())),
        run=session.undo.run if session.undo else None,
        audit=audit,
    )


def _removed_unread(planned: Plan) -> frozenset[str]:
    """Return what would be deleted or replaced and was not read whole."""
    return frozenset(
        action.slug
        for action in planned.actions
        if action.kind in {ActionKind.REPLACE, ActionKind.DELETE}
        and action.subject.observed is not None
        and not action.subject.observed.is_whole
    )


async def _observed(
    session: Session,
    options: PlanOptions,
    rounds: IncrementalRead | None,
    *,
    also: Collection[str] = (),
) -> ObservedState:
    """Read all that matters, or with `rounds` what it cannot do without; `also` is read whole."""
    wants, selected = _wants(session, options, also), _selected(session, options)
    read = partial(
        observe,
        session.api,
        concurrency=session.parallelism,
        expected=selected,
        known_fields=session.desired.target.known_fields,
    )
    if rounds is not None:
        seen = await read(wants=rounds.filter_wants(wants, selected))
        _refuse_unreadable(seen, selected)
        if (whole := rounds.merge(seen)) is not None:
            return whole
    observed = await read(wants=wants)
    _refuse_unreadable(observed, selected)
    return observed


def _refuse_unreadable(observed: ObservedState, selected: Collection[str]) -> None:
    """Raise for what is declared and exists, and of which nobody can tell how it is."""
    records = [record for slug, record in observed.unreadable.items() if slug in selected]
    if records:
        raise damaged(*records)


def _selected(session: Session, options: PlanOptions) -> frozenset[str]:
    return frozenset(s for s in session.desired.integrations if options.selection.includes(s))


def timestamp(moment: datetime) -> str:
    """Write a time as the API does: ISO 8601, UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_unmatched(session: Session, selection: Selection, observed: ObservedState) -> None:
    """Raise `InvalidInput` for each pattern of `--only` that matches nothing, a typo most often.

    What Git used to declare, and what a tombstone names, may be gone already; it counts as known.
    """
    if session.undo is not None:
        return  # its selection names the integrations of the run, which may be gone
    desired = session.desired
    known = desired.integrations.keys() | desired.tombstones.keys()
    known |= observed.listed | session.memory.integrations.keys()
    unmatched = unmatched_patterns(selection, known, what="integration, declared or existing")
    if unmatched:
        raise InvalidInput(unmatched)


def unmatched_patterns(
    selection: Selection, slugs: Collection[str], *, what: str
) -> list[Diagnostic]:
    """Return an error for each pattern of `--only` that matches none of these slugs."""
    hint = "check the spelling; `reconcile list` shows what exists"
    return [
        error("nothing-selected", f"`--only {pattern}` matches no {what}", hint=hint)
        for pattern in selection.idle(slugs)
    ]


def _wants(
    session: Session, options: PlanOptions, also: Collection[str]
) -> Callable[[Observed], WantedDetails | None]:
    """Ask for details of what is declared, and for sub-resources only where declared.

    What is going to be deleted or replaced is read whole, since a plan says what it takes away.
    """
    desired, selected = session.desired, _selected(session, options)

    def want(row: Observed) -> WantedDetails | None:
        if row.slug in also or is_candidate(
            row, desired=desired, memory=session.memory, options=options
        ):
            return WantedDetails(models=True, workspaces=not row.is_workspace_scoped)
        if row.slug not in selected or row.is_archived:
            return None
        fields = desired.integrations[row.slug].fields.keys()
        return WantedDetails(
            models=bool(fields & fields_of(SubResource.MODELS)),
            workspaces=bool(fields & fields_of(SubResource.WORKSPACES)),
        )

    return want


def _lister(api: IntegrationsAPI) -> Callable[[], Awaitable[frozenset[str]]]:
    async def list_again() -> frozenset[str]:
        listing = await list_all(api)
        if listing.nameless:
            raise nameless_rows(listing.nameless)
        return listing.slugs

    return list_again
