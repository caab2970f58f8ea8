"""Guard for the change windows and the freeze of a target.

Unlike the guards of `reconciler.planning.guards`, it depends on the time: a plan only reports it,
and an apply checks it when it starts. This module is loaded only for a target that has either.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.diagnostics import Diagnostic, error, notice
from reconciler.domain.change_windows import Closure, closure, has_ended
from reconciler.domain.policy import Freeze, Target
from reconciler.planning.actions import Action, ChangeKind
from reconciler.planning.plan import Plan

OUTSIDE_WINDOW = "outside-window"
"""The code of the refusal, and of the notice in a plan."""

FREEZE_ENDED = "freeze-ended"


def closure_of(plan: Plan, target: Target, *, now: datetime) -> Closure | None:
    """Return why a plan cannot be applied now; None if it can be."""
    return closure(target.windows, target.freeze, risks_of(plan), now=now)


def risks_of(plan: Plan) -> frozenset[str]:
    """Return the risks of all changes, not only the highest of each action.

    Otherwise, a change with a higher risk could hide a change whose risk needs a window.
    """
    return _risks_of(plan.actions)


def _risks_of(actions: Collection[Action]) -> frozenset[str]:
    risks = {action.risk for action in actions}
    for action in actions:
        # A secret in sync that a write must repeat changes no credential.
        risks.update(c.risk for c in action.changes if c.op is not ChangeKind.RESEND)
    return frozenset(risk.value for risk in risks)


def refusal(closed: Closure, target: Target) -> Diagnostic:
    """Return the error of an apply outside the window."""
    hint = "apply the plan then, or add --break-freeze REASON, which is recorded"
    if closed.opens is None:
        hint = "apply the changes in parts with --only, or add --break-freeze REASON"
    return error(OUTSIDE_WINDOW, _summary(closed, target), hint=hint)


def closed_during(action: Action, target: Target, *, now: datetime) -> str | None:
    """Return why an action of a running apply may not begin now; None if it may."""
    closed = closure(target.windows, target.freeze, _risks_of([action]), now=now)
    if closed is None:
        return None
    opening = f" before {closed.opening}" if closed.opening else ""
    reasons = "; ".join(closed.reasons)
    return f"the window closed during the run, and does not open{opening}: {reasons}"


def with_notice(plan: Plan, target: Target, *, now: datetime) -> Plan:
    """Return a plan with a notice and the time from which it can be applied, if not now.

    Another notice names a freeze that has ended: its year can be a typing error.
    """
    if target.freeze is not None and has_ended(target.freeze, target.windows, now=now):
        plan = replace(plan, diagnostics=(*plan.diagnostics, _ended(target, target.freeze)))
    closed = closure_of(plan, target, now=now)
    if closed is None:
        return plan
    hint = "review the plan now and apply it then" if closed.opens else ""
    found = notice(OUTSIDE_WINDOW, _summary(closed, target), hint=hint)
    opens = closed.opens
    return replace(
        plan,
        diagnostics=(*plan.diagnostics, found),
        opens_at=None if opens is None else _in_utc(opens),
    )


def _ended(target: Target, freeze: Freeze) -> Diagnostic:
    summary = f"the freeze of target `{target.name}` has ended: its `until` is {freeze.until}"
    return notice(FREEZE_ENDED, summary, hint="remove `freeze`, or set a later `until`")


def _summary(closed: Closure, target: Target) -> str:
    reasons = "; ".join(closed.reasons)
    if closed.opens is None:
        when = "now, and no later time was found at which it does"
    else:
        when = f"before {closed.opening}"
    return f"target `{target.name}` does not accept this plan {when}: {reasons}"


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
