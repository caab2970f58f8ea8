"""Workflows that write nothing: `plan` and `drift`, and the reads and plans that they share.

Each takes values and collaborators and returns values. An apply begins with the same plan:
`reconciler.apply_workflow`. This module neither prints nor reads the environment or a clock;
`reconciler.cli.wiring` builds the collaborators.

A plan needs the whole list, and details of declared and deleted integrations: for each integration,
details are read if a file declares it, models and workspaces if the file declares them, and
everything if the plan deletes or replaces it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.facts import SubResource
from reconciler.domain.schema import fields_of
from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from reconciler.domain.state import (
    SHADOW_SUFFIX,
    DesiredState,
    LastAppliedState,
    Observed,
    ObservedState,
)
from reconciler.errors import CannotDecide, InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan, PlanOptions, Selection, unmatched_patterns
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
from reconciler.remote.api import Clock, IntegrationsAPI, OnProgress
from reconciler.remote.observe import WantedDetails, observe, read_parts
from reconciler.remote.pagination import damaged

if TYPE_CHECKING:
    from reconciler.drift.incremental import IncrementalRead
    from reconciler.drift.report import DriftReport
    from reconciler.execution.credential_probe import Prober
    from reconciler.execution.undo import UndoRevision
    from reconciler.planning.soak_guard import SoakEvidence
    from reconciler.policies.runner import PolicyRunner

WithShadows: TypeAlias = Callable[[LastAppliedState], Awaitable[LastAppliedState]]


@dataclass(frozen=True, slots=True)
class Session:
    """Parameters of a workflow.

    `secrets` are the available values, `missing` the reasons why others are not. `diagnostics` come
    from the files, the allow-list and the ledger. `known_organisation` is the earlier organisation
    of this target, None on the first run. `last_applied` is what the files declared before, and
    `ledger` the state of the ledger that outputs show. `undo` is set if the desired state is that
    before a run. `prober` is set if written credentials are probed. `policies` runs the policies of
    the target; without it, no policy is run, and nothing is applied to a target with policies.
    `soak` are the records about the source of the target's promotion. `with_shadows` adds the
    shadows of rotations to the last-applied state, which has them already if the target stages.
    """

    desired: DesiredState
    api: IntegrationsAPI
    clock: Clock
    secrets: Mapping[SecretRef, Redacted] = field(default_factory=lambda: MappingProxyType({}))
    missing: Mapping[SecretRef, SecretError] = field(default_factory=lambda: MappingProxyType({}))
    last_applied: LastAppliedState = LastAppliedState()
    diagnostics: tuple[Diagnostic, ...] = ()
    known_organisation: str | None = None
    ledger: str = "fresh"
    commit: str | None = None
    uncommitted: bool = False
    parallelism: int = 10
    require_secrets: bool = False
    undo: "UndoRevision | None" = None
    prober: "Prober | None" = None
    probes_writes: bool = True
    on_progress: OnProgress | None = None
    policies: "PolicyRunner | None" = None
    soak: "SoakEvidence | None" = None
    with_shadows: "WithShadows | None" = None

    @property
    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.fromtimestamp(self.clock.wall_clock(), UTC)


async def plan(session: Session, options: PlanOptions) -> Plan:
    """Read the API and return the plan.

    Raises `RemoteError` for an incomplete read, `Refused` for another organisation than before, and
    `InvalidInput` for missing values if the session requires secrets.
    """
    planned, _ = await observe_and_plan(session, options)
    return planned


async def observe_and_plan(session: Session, options: PlanOptions) -> tuple[Plan, ObservedState]:
    """Return a plan with the observed state from which it was made; raises what `plan` raises."""
    planned, observed = await fresh_plan(session, options)
    return await _checked(session, options, planned, observed), observed


async def _checked(
    session: Session, options: PlanOptions, planned: Plan, observed: ObservedState
) -> Plan:
    """Return a plan with everything for which an apply of it would be refused now."""
    planned = await with_usage(session, options, planned, observed)
    planned = await with_verdicts(session, planned)
    target = session.desired.target
    if not target.has_change_times and target.promotion is None:
        return planned
    from reconciler.execution.apply_times import with_notices

    return with_notices(planned, session.desired, evidence=session.soak, now=session.now)


async def with_usage(
    session: Session, options: PlanOptions, planned: Plan, observed: ObservedState
) -> Plan:
    """Return the plan with the users of integrations, if the target requests it.

    Nothing is read for a plan whose actions affect no user.
    """
    target = session.desired.target
    if not target.reads_usage:
        return planned
    from reconciler.planning.usage_guard import concerned, with_usage

    slugs = [action.slug for action in concerned(planned)]
    if not slugs:
        return planned
    from reconciler.remote.usage import read_usage

    ids = {slug: observed.integrations[slug].id for slug in slugs if slug in observed.integrations}
    found = await read_usage(session.api, ids, concurrency=session.parallelism)
    return with_usage(planned, found, limits=target.limits, options=options)


async def with_verdicts(session: Session, planned: Plan) -> Plan:
    """Return a plan with the verdicts of the target's policies, which can block it."""
    target = session.desired.target
    # Without actions, there is nothing to check.
    if not target.policies or not planned.actions:
        return planned
    from reconciler.planning.policy_guard import judged, not_judged

    if session.policies is None:
        return not_judged(planned, target)
    return judged(planned, await session.policies.judge(planned, target))


async def drift(
    session: Session, options: PlanOptions, *, incremental: "IncrementalRead | None" = None
) -> "DriftReport":
    """Return how the API differs from the files and which side changed; always includes an audit.

    With `incremental`, only changed integrations and a sample are read. Raises what `plan` raises,
    and `CannotDecide` if the ledger cannot be read.
    """
    from reconciler.drift.report import detect_drift

    require_ledger(session)
    planned, observed = await fresh_plan(session, replace(options, audit=True), incremental)
    # With the verdicts, the fingerprint equals the digest of the plan that removes the drift. The
    # report suggests an apply, so it also states why this apply would be refused.
    planned = await _checked(session, options, planned, observed)
    return detect_drift(
        planned,
        not_read=incremental.not_read if incremental else 0,
        partial=options.selection != Selection(),
    )


def require_ledger(session: Session) -> None:
    """Raise `CannotDecide` if the ledger cannot be read: "in sync" would not be reliable."""
    problem = session.last_applied.ledger_problem
    if problem is None:
        return
    summary = f"drift cannot be determined without the ledger: {problem.summary}"
    raise CannotDecide([error(problem.code, summary, hint=problem.hint)])


async def fresh_plan(
    session: Session, options: PlanOptions, incremental: "IncrementalRead | None" = None
) -> tuple[Plan, ObservedState]:
    """Read the API and return a plan without users and verdicts; raises what `plan` raises."""
    # An undo concerns one run, not the values that files leave out.
    options = replace(options, audit=options.audit and session.undo is None)
    reader = PlanReader(
        session.api,
        session.desired,
        session.last_applied,
        options,
        concurrency=session.parallelism,
        incremental=incremental,
        on_progress=session.on_progress,
    )
    observed = await reader.read()
    # Checked before the plan is made, because in another organisation every integration looks
    # deleted.
    observed.require_organisation(session.known_organisation, target=session.desired.target.name)
    _refuse_unmatched(session, options.selection, observed)
    session = await _with_shadows(session, observed)
    audit = await reader.audit(observed)
    planned = _make_plan(session, options, observed, audit, incremental)
    unread = _removed_unread(planned)
    if unread:
        # Only their details, and not the list, showed that these integrations are replaced.
        observed = await reader.read_whole(unread)
        planned = _make_plan(session, options, observed, audit, incremental)
    if session.undo is not None:
        planned = session.undo.revise(planned, session.secrets)
    # Done last, because the error also shows the plan.
    if session.require_secrets:
        from reconciler.execution.preflight import require_values

        # Every missing value counts, whether or not a call of this plan sends it.
        require_values(session.missing, session.secrets, session.missing, session.desired, planned)
    return planned, observed


async def _with_shadows(session: Session, observed: ObservedState) -> Session:
    """Return a session that knows the shadows of a target that no longer stages its rotations.

    They are only read if an integration has the name of a shadow, so that no other target is
    slower.
    """
    desired = session.desired
    if session.with_shadows is None or desired.target.rotation.staged:
        return session
    if not observed.may_have_shadows(desired):
        return session
    return replace(session, last_applied=await session.with_shadows(session.last_applied))


def _make_plan(
    session: Session,
    options: PlanOptions,
    observed: ObservedState,
    audit: Audit,
    incremental: "IncrementalRead | None",
) -> Plan:
    diagnostics = session.diagnostics
    if incremental is not None:
        diagnostics += tuple(incremental.diagnostics())
    planned = make_plan(
        desired=session.desired,
        observed=observed,
        last_applied=session.last_applied,
        values=session.secrets,
        options=options,
        created_at=timestamp(session.now),
        commit=session.commit,
        diagnostics=diagnostics,
        run=session.undo.run if session.undo else None,
        audit=audit,
    )
    return replace(planned, uncommitted=True) if session.uncommitted else planned


def timestamp(moment: datetime) -> str:
    """Format a time like the API: ISO 8601, UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_unmatched(session: Session, selection: Selection, observed: ObservedState) -> None:
    """Raise `InvalidInput` for patterns of `--only` without a match, which are usually typos.

    Slugs of tombstones and slugs that Git declared before are known, even if they do not exist.
    """
    if session.undo is not None:
        return  # its selection names the integrations of the run, which may no longer exist
    desired = session.desired
    known = desired.integrations.keys() | desired.tombstones.keys()
    known |= observed.listed | session.last_applied.integrations.keys()
    unmatched = unmatched_patterns(selection, known, what="integration, declared or existing")
    if unmatched:
        raise InvalidInput(unmatched)


@dataclass(frozen=True, slots=True)
class PlanReader:
    """Reads of one plan; with `incremental`, only of changed integrations and a sample."""

    api: IntegrationsAPI
    desired: DesiredState
    last_applied: LastAppliedState
    options: PlanOptions
    concurrency: int
    incremental: "IncrementalRead | None" = None
    on_progress: OnProgress | None = None

    async def read(self) -> ObservedState:
        """Return the observed state.

        Raises `RemoteError` for an incomplete read, even if only the record of a declared
        integration cannot be decoded.
        """
        if self.incremental is not None:
            wants = self.incremental.filter_wants(self._wants, self._selected)
            whole = self.incremental.merge(await self._observe(wants))
            if whole is not None:
                return whole
        # Also if the list has changed in the meantime, so that earlier details no longer belong to
        # it.
        return await self._observe(self._wants)

    async def read_whole(self, slugs: Collection[str]) -> ObservedState:
        """Return the observed state with all parts of these integrations."""

        def wants(row: Observed) -> WantedDetails | None:
            return _everything(row) if row.slug in slugs else self._wants(row)

        return await self._observe(wants)

    async def audit(self, observed: ObservedState) -> Audit:
        """Read the parts that no file declares, if the options request an audit.

        Integrations that an incremental read assumed to be unchanged are not audited.
        """
        if not self.options.audit:
            return NO_AUDIT
        wanted: dict[str, frozenset[SubResource]] = {}
        for slug in self._selected & observed.live.keys():
            if self.incremental is None or self.incremental.has_read(slug):
                declared = self.desired.integrations[slug]
                wanted[slug] = audited_parts(declared, observed.live[slug])
        reads = await read_parts(
            self.api, wanted, concurrency=self.concurrency, on_progress=self.on_progress
        )
        seen = {
            slug: with_audited_parts(observed.live[slug], parts)
            for slug, parts in reads.parts.items()
        }
        for slug, audited in seen.items():
            if self.incremental is not None and adds_entries(observed.live[slug], audited):
                self.incremental.read_again(slug)
        unread = [Unread(slug, part, reason) for (slug, part), reason in reads.refused.items()]
        return Audit(seen, unread)

    @property
    def _selected(self) -> frozenset[str]:
        selection = self.options.selection
        return frozenset(slug for slug in self.desired.integrations if selection.includes(slug))

    async def _observe(self, wants: Callable[[Observed], WantedDetails | None]) -> ObservedState:
        selected = self._selected
        observed = await observe(
            self.api,
            wants=wants,
            concurrency=self.concurrency,
            expected=selected,
            known_fields=self.desired.target.known_fields,
            on_progress=self.on_progress,
        )
        records = [record for slug, record in observed.unreadable.items() if slug in selected]
        if records:
            raise damaged(*records)
        return observed

    def _may_be_leftover(self, row: Observed) -> bool:
        """Return whether a row of the list may be a shadow that the plan deletes."""
        from reconciler.planning.staging import find_shadow, marked_run  # for few targets

        of = row.slug.removesuffix(SHADOW_SUFFIX)
        if not self.options.selection.includes(of):
            return False
        if self.desired.target.rotation.staged:
            shadow = find_shadow(row, desired=self.desired, last_applied=self.last_applied)
            return shadow is not None and shadow.is_ours
        if row.slug in self.desired.integrations or marked_run(row) is None:
            return False
        # The ledger is read once the list is known. Until then, only a shadow of a known
        # integration is read: the key may not be allowed to read those of another repository.
        return of in self.desired.integrations or of in self.last_applied.integrations

    def _wants(self, row: Observed) -> WantedDetails | None:
        """Return the details to read for a row of the list, None if the row is sufficient.

        An integration that may be deleted is read completely, because the plan shows what is lost.
        """
        if row.slug.endswith(SHADOW_SUFFIX) and self._may_be_leftover(row):
            return _everything(row)
        if is_candidate(
            row, desired=self.desired, last_applied=self.last_applied, options=self.options
        ):
            return _everything(row)
        declared = self.desired.integrations.get(row.slug)
        is_selected = self.options.selection.includes(row.slug)
        if declared is None or not is_selected or row.is_archived:
            return None
        fields = declared.fields.keys()
        return WantedDetails(
            models=bool(fields & fields_of(SubResource.MODELS)),
            workspaces=bool(fields & fields_of(SubResource.WORKSPACES)),
        )


def _everything(row: Observed) -> WantedDetails:
    # An integration that belongs to a workspace grants access to no other.
    return WantedDetails(models=True, workspaces=not row.is_workspace_scoped)


def _removed_unread(planned: Plan) -> frozenset[str]:
    """Return the slugs that the plan deletes or replaces but that were not read completely."""
    return frozenset(
        action.slug
        for action in planned.actions
        if action.kind in {ActionKind.REPLACE, ActionKind.DELETE}
        and action.subject.observed is not None
        and not action.subject.observed.is_whole
    )
