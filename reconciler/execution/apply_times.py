"""Rules of a target about when a plan may be applied: change windows, freeze and promotion.

A plan only reports them; an apply checks them before its first write, and the windows before each
action.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from reconciler.diagnostics import Diagnostic
from reconciler.domain.policy import Target
from reconciler.domain.state import DesiredState
from reconciler.errors import Refused
from reconciler.execution.preflight import Approval
from reconciler.execution.result import ActionFailure
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.planning.soak_guard import SoakEvidence


TimeCheck: TypeAlias = Callable[[Action], ActionFailure | None]
"""Returns why an action may not begin now, None if it may."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Reasons that override a rule; None if the rule did not apply."""

    break_freeze: str | None = None
    allow_unsoaked: str | None = None


def require_time(
    plan: Plan,
    desired: DesiredState,
    approval: Approval,
    *,
    evidence: "SoakEvidence | None",
    now: datetime,
) -> Overrides:
    """Return the reasons that permit a plan now; raises `Refused` if a reason is missing."""
    target = desired.target
    # Collected, so that one refusal names every reason that has to be given.
    found: list[Diagnostic] = []
    break_freeze = allow_unsoaked = None
    if target.has_change_times:
        from reconciler.planning.window_guard import closure_of, refusal

        closed = closure_of(plan, target, now=now)
        if closed is not None:
            break_freeze = approval.break_freeze
            found += [] if break_freeze is not None else [refusal(closed, target)]
    if target.promotion is not None:
        from reconciler.planning import soak_guard

        early = soak_guard.unsoaked(plan, desired, evidence, now=now)
        if early is not None:
            allow_unsoaked = approval.allow_unsoaked
            found += [] if allow_unsoaked is not None else [soak_guard.refusal(early, target)]
    if found:
        raise Refused(found, plan=plan)
    return Overrides(break_freeze, allow_unsoaked)


def time_check(
    target: Target, overrides: Overrides, *, now: Callable[[], datetime]
) -> TimeCheck | None:
    """Return the check of each action before it begins; None if nothing can close during a run.

    A freeze that has not begun with the run cannot begin during it. With a reason that permits the
    run, it may continue.
    """
    if not target.windows or overrides.break_freeze is not None:
        return None
    from reconciler.planning.window_guard import OUTSIDE_WINDOW, closed_during

    def failure_of(action: Action) -> ActionFailure | None:
        reason = closed_during(action, target, now=now())
        if reason is None:
            return None
        hint = "run apply again when it opens, or add --break-freeze REASON"
        return ActionFailure(OUTSIDE_WINDOW, reason, hint=hint)

    return failure_of


def with_notices(
    plan: Plan, desired: DesiredState, *, evidence: "SoakEvidence | None", now: datetime
) -> Plan:
    """Return a plan with the times from which it can be applied, if it cannot be applied now."""
    target = desired.target
    if target.has_change_times:
        from reconciler.planning import window_guard

        # Notices and not errors: a plan is reviewed before its window opens.
        plan = window_guard.with_notice(plan, target, now=now)
    if target.promotion is not None:
        from reconciler.planning import soak_guard

        early = soak_guard.unsoaked(plan, desired, evidence, now=now)
        plan = soak_guard.with_notice(plan, target, early)
    return plan
