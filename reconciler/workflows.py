"""Workflows of the system: `plan`, `apply` and `drift`.

Each takes values and collaborators and returns values. The steps of an apply: read, plan, check
(`execution.preflight`), execute (`execution.executor`). This module neither prints nor reads the
environment or a clock; `reconciler.cli.wiring` builds the collaborators.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from reconciler.domain.state import DesiredState, LastAppliedState, ObservedState
from reconciler.errors import CannotDecide, InvalidInput, Refused
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import Plan, PlanOptions, Selection, unmatched_patterns
from reconciler.planning.planner import make_plan
from reconciler.planning.undeclared import Audit
from reconciler.reading import PlanReader, fresh_list, removed_unread, with_users
from reconciler.remote.api import Clock, IntegrationsAPI, OnProgress
from reconciler.remote.errors import RemoteError
from reconciler.remote.pagination import list_all

if TYPE_CHECKING:
    from reconciler.drift.incremental import IncrementalRead
    from reconciler.drift.report import DriftReport
    from reconciler.execution.action_runner import RunDependencies
    from reconciler.execution.apply_times import Overrides, TimeCheck
    from reconciler.execution.cancellation import CancelToken
    from reconciler.execution.credential_probe import Prober
    from reconciler.execution.events import Emit
    from reconciler.execution.preflight import Approval
    from reconciler.execution.result import ApplyResult
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


@dataclass(frozen=True, slots=True)
class Applied:
    """State, plan and result of an apply.

    `organisation_id` is the organisation of the API, read again after the writes if the first list
    was empty; `diagnostics` are those from after the last write.
    """

    plan: Plan
    observed: ObservedState
    result: "ApplyResult"
    organisation_id: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


async def plan(session: Session, options: PlanOptions) -> Plan:
    """Read the API and return the plan.

    Raises `RemoteError` for an incomplete read, `Refused` for another organisation than before, and
    `InvalidInput` for missing values if the session requires secrets.
    """
    planned, _ = await observe_and_plan(session, options)
    return planned


async def observe_and_plan(session: Session, options: PlanOptions) -> tuple[Plan, ObservedState]:
    """Return a plan with the observed state from which it was made; raises what `plan` raises."""
    planned, observed = await _fresh_plan(session, options)
    return await _checked(session, options, planned, observed), observed


async def _checked(
    session: Session, options: PlanOptions, planned: Plan, observed: ObservedState
) -> Plan:
    """Return a plan with everything for which an apply of it would be refused now."""
    planned = await _with_usage(session, options, planned, observed)
    planned = await _judged(session, planned)
    target = session.desired.target
    if not target.has_change_times and target.promotion is None:
        return planned
    from reconciler.execution.apply_times import with_notices

    return with_notices(planned, session.desired, evidence=session.soak, now=session.now)


async def apply(
    session: Session,
    options: PlanOptions,
    *,
    approval: "Approval",
    confirm: Callable[[Plan], bool],
    emit: "Emit",
    run: str,
    cancel: "CancelToken",
    abort_on_error: bool = False,
) -> Applied:
    """Make a plan, check it, ask for confirmation if needed, and carry it out.

    Nothing is written before all checks have passed. Raises what `plan` raises, `Refused` for a
    guard, an approval, a closed window, a promotion or a declined confirmation, and `InvalidInput`
    for a missing secret value.
    """
    from reconciler.execution.executor import execute
    from reconciler.execution.result import Status

    planned, observed = await _fresh_plan(session, options)
    # Read again instead of taken from an approved plan, because users may have been added since.
    planned = await _with_usage(session, options, planned, observed)
    planned = await _judged(session, planned)
    _require_ready(session, planned, approval)
    # After all checks, so that a confirmed plan is not refused afterwards.
    if planned.actions and approval.asks:
        planned = await _confirmed(session, options, planned, observed, confirm)
    # Checked again, because the window may have closed during the confirmation.
    overrides = _require_time(session, planned, approval)
    result = await execute(
        planned,
        run=run,
        dependencies=_dependencies(session, planned, observed, run),
        emit=emit,
        concurrency=session.parallelism,
        abort_on_error=abort_on_error,
        cancel=cancel,
        shard=options.selection.shard_label,
        break_freeze=overrides.break_freeze,
        allow_unsoaked=overrides.allow_unsoaked,
        check_time=_time_check(session, overrides),
    )
    organisation = observed.organisation_id
    if organisation is None and result.summary[Status.APPLIED] and not cancel.requested:
        # An empty list does not contain the organisation; now the list has a row.
        organisation = await _organisation(session.api)
    return Applied(planned, observed, result, organisation)


async def _judged(session: Session, planned: Plan) -> Plan:
    """Return a plan with the verdicts of the target's policies, which can block it."""
    target = session.desired.target
    # Without actions, there is nothing to check.
    if not target.policies or not planned.actions:
        return planned
    from reconciler.planning.policy_guard import judged, not_judged

    if session.policies is None:
        return not_judged(planned, target)
    return judged(planned, await session.policies.judge(planned, target))


async def _confirmed(
    session: Session,
    options: PlanOptions,
    planned: Plan,
    observed: ObservedState,
    confirm: Callable[[Plan], bool],
) -> Plan:
    """Return the confirmed plan; raise `Refused` if it is declined or a removal is in use."""
    from reconciler.execution.preflight import refuse_blocked

    if not confirm(planned):
        raise Refused(
            [error("declined", "the run was not confirmed; nothing was written")], plan=planned
        )
    # Checked again, because a removal may be in use since the confirmation.
    planned = await _with_usage(session, options, planned, observed)
    refuse_blocked(planned)
    return planned


async def _with_usage(
    session: Session, options: PlanOptions, planned: Plan, observed: ObservedState
) -> Plan:
    target, concurrency = session.desired.target, session.parallelism
    return await with_users(
        session.api, planned, observed, target=target, options=options, concurrency=concurrency
    )


def _require_ready(session: Session, planned: Plan, approval: "Approval") -> None:
    """Raise unless the plan may be carried out now; the user may still have to confirm it."""
    from reconciler.execution.preflight import require_ready

    require_ready(
        planned,
        approval,
        desired=session.desired,
        values=session.secrets,
        missing=session.missing,
        now=session.now,
        probes=session.prober is not None,
    )
    _require_time(session, planned, approval)


def _require_time(session: Session, planned: Plan, approval: "Approval") -> "Overrides":
    """Raise `Refused` unless the plan may be applied now; return the reasons that permit it."""
    from reconciler.execution.apply_times import Overrides, require_time

    target = session.desired.target
    if not target.has_change_times and target.promotion is None:
        return Overrides()
    return require_time(planned, session.desired, approval, evidence=session.soak, now=session.now)


def _time_check(session: Session, overrides: "Overrides") -> "TimeCheck | None":
    """Return the check of each action before it begins; most targets need none."""
    target = session.desired.target
    if not target.windows:
        return None
    from reconciler.execution.apply_times import time_check

    return time_check(target, overrides, now=lambda: session.now)


def _dependencies(
    session: Session, planned: Plan, observed: ObservedState, run: str
) -> "RunDependencies":
    from reconciler.execution.action_runner import dependencies_of

    return dependencies_of(
        planned,
        observed,
        api=session.api,
        target=session.desired.target,
        values=session.secrets,
        clock=session.clock,
        run=run,
        prober=session.prober,
        probes_writes=session.probes_writes,
        list_again=fresh_list(session.api),
    )


async def drift(
    session: Session, options: PlanOptions, *, incremental: "IncrementalRead | None" = None
) -> "DriftReport":
    """Return how the API differs from the files and which side changed; always includes an audit.

    With `incremental`, only changed integrations and a sample are read. Raises what `plan` raises,
    and `CannotDecide` if the ledger cannot be read.
    """
    from reconciler.drift.report import detect_drift

    require_ledger(session)
    planned, observed = await _fresh_plan(session, replace(options, audit=True), incremental)
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


async def _organisation(api: IntegrationsAPI) -> str | None:
    try:
        return (await list_all(api)).organisation_id
    except RemoteError:
        return None  # the run has ended; the next one reads the organisation


async def _fresh_plan(
    session: Session, options: PlanOptions, incremental: "IncrementalRead | None" = None
) -> tuple[Plan, ObservedState]:
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
    unread = removed_unread(planned)
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
