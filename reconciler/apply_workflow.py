"""Workflow of an apply: plan, check the plan, ask for confirmation if needed, and carry it out.

The plan: `reconciler.workflows`. The checks: `execution.preflight`. The writes:
`execution.executor`. Like the other workflows, this module neither prints nor reads the environment
or a clock.
"""

from collections.abc import Awaitable, Callable

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.state import ObservedState
from reconciler.errors import Refused
from reconciler.execution.action_runner import RunDependencies, dependencies_of
from reconciler.execution.apply_times import Overrides, require_time, time_check
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Emit
from reconciler.execution.executor import execute
from reconciler.execution.preflight import Approval, refuse_blocked, require_ready
from reconciler.execution.result import ApplyResult, Status
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import RemoteError
from reconciler.remote.pagination import list_all, nameless_rows
from reconciler.workflows import Session, fresh_plan, with_usage, with_verdicts


@dataclass(frozen=True, slots=True)
class Applied:
    """State, plan and result of an apply.

    `organisation_id` is the organisation of the API, read again after the writes if the first list
    was empty; `diagnostics` are those from after the last write.
    """

    plan: Plan
    observed: ObservedState
    result: ApplyResult
    organisation_id: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


async def apply(
    session: Session,
    options: PlanOptions,
    *,
    approval: Approval,
    confirm: Callable[[Plan], bool],
    emit: Emit,
    run: str,
    cancel: CancelToken,
    abort_on_error: bool = False,
) -> Applied:
    """Make a plan, check it, ask for confirmation if needed, and carry it out.

    Nothing is written before all checks have passed. Raises what `plan` raises, `Refused` for a
    guard, an approval, a closed window, a promotion or a declined confirmation, and `InvalidInput`
    for a missing secret value.
    """
    planned, observed = await fresh_plan(session, options)
    # Read again instead of taken from an approved plan, because users may have been added since.
    planned = await with_usage(session, options, planned, observed)
    planned = await with_verdicts(session, planned)
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
        check_time=time_check(session.desired.target, overrides, now=lambda: session.now),
    )
    organisation = observed.organisation_id
    if organisation is None and result.summary[Status.APPLIED] and not cancel.requested:
        # An empty list does not contain the organisation; now the list has a row.
        organisation = await _organisation(session.api)
    return Applied(planned, observed, result, organisation)


async def _confirmed(
    session: Session,
    options: PlanOptions,
    planned: Plan,
    observed: ObservedState,
    confirm: Callable[[Plan], bool],
) -> Plan:
    """Return the confirmed plan; raise `Refused` if it is declined or a removal is in use."""
    if not confirm(planned):
        raise Refused(
            [error("declined", "the run was not confirmed; nothing was written")], plan=planned
        )
    # Checked again, because a removal may be in use since the confirmation.
    planned = await with_usage(session, options, planned, observed)
    refuse_blocked(planned)
    return planned


def _require_ready(session: Session, planned: Plan, approval: Approval) -> None:
    """Raise unless the plan may be carried out now; the user may still have to confirm it."""
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


def _require_time(session: Session, planned: Plan, approval: Approval) -> Overrides:
    """Raise `Refused` unless the plan may be applied now; return the reasons that permit it."""
    target = session.desired.target
    if not target.has_change_times and target.promotion is None:
        return Overrides()
    return require_time(planned, session.desired, approval, evidence=session.soak, now=session.now)


def _dependencies(
    session: Session, planned: Plan, observed: ObservedState, run: str
) -> RunDependencies:
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


async def _organisation(api: IntegrationsAPI) -> str | None:
    try:
        return (await list_all(api)).organisation_id
    except RemoteError:
        return None  # the run has ended; the next one reads the organisation


def fresh_list(api: IntegrationsAPI) -> Callable[[], Awaitable[frozenset[str]]]:
    """Return a function that reads the complete list again and returns its slugs."""

    async def list_again() -> frozenset[str]:
        listing = await list_all(api)
        # Such a row may be the integration whose absence must be proven.
        if listing.nameless:
            raise nameless_rows(listing.nameless)
        return listing.slugs

    return list_again
