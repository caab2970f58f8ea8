"""Check what a caller brought along as permission: a digest, or saved plans."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.diagnostics import Diagnostic, error
from reconciler.planning.actions import Change, ChangeKind
from reconciler.planning.approval import NotApproved, beyond_approval
from reconciler.planning.plan import Plan
from reconciler.planning.value_excerpts import abridged_pair, is_shown_whole

CLOCK_SKEW = timedelta(minutes=10)
"""By how much the clock of the machine that planned may run ahead of ours."""

_LONGEST = 80
"""Characters of a value up to which all of it is shown; a host is never shortened."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What replaces the question: a digest to be met, plans to stay within, or a plain yes."""

    digest: str | None = None
    plans: tuple[Plan, ...] = ()
    assumed: bool = False

    @property
    def asks(self) -> bool:
        """Tell whether a person still has to be asked."""
        return not (self.assumed or self.digest or self.plans)


def objections(
    approval: Approval, fresh: Plan, *, now: datetime, max_age_hours: float
) -> list[Diagnostic]:
    """Give the reasons why a fresh plan is not covered; none of them means go."""
    if approval.digest is not None and approval.digest != fresh.digest:
        return [
            error(
                "digest-mismatch",
                f"the plan's digest is {fresh.digest}, expected was {approval.digest}",
                hint="something moved since it was approved; look at the new plan and approve that",
            )
        ]
    found = [
        problem
        for plan in approval.plans
        for problem in _wrong_plan(plan, fresh, now=now, max_age_hours=max_age_hours)
    ]
    if found or not approval.plans:
        return found
    return [_not_approved(excess) for excess in beyond_approval(fresh, approval.plans)]


def _wrong_plan(
    plan: Plan, fresh: Plan, *, now: datetime, max_age_hours: float
) -> Iterable[Diagnostic]:
    same = (plan.target.name, plan.target.base_url) == (fresh.target.name, fresh.target.base_url)
    known = plan.target.organisation_id is not None and fresh.target.organisation_id is not None
    if not same or (known and plan.target.organisation_id != fresh.target.organisation_id):
        yield error(
            "wrong-target",
            f"the plan was made for {plan.target.name} at {plan.target.base_url}",
            hint="apply it to that target, or plan again for this one",
        )
    age = now - datetime.fromisoformat(plan.created_at)
    if age > timedelta(hours=max_age_hours):
        when = f"more than {max_age_hours:g} hours ago"
    elif age < -CLOCK_SKEW:
        when = "which is in the future"
    else:
        return
    yield error(
        "expired-plan",
        f"the plan was made at {plan.created_at}, {when}",
        hint="plan again and have it approved again",
    )


def _not_approved(excess: NotApproved) -> Diagnostic:
    what = f"{excess.kind.value} {excess.slug}"
    if excess.unrecorded:
        return error(
            "not-approved",
            f"the approved plan does not say what is lost: {what}",
            hint="an older release saved it; plan again and approve that",
        )
    if excess.change is not None:
        what += f": {_in_words(excess.change)}"
    if excess.approved is not None:
        what += f"; approved was: {_in_words(excess.approved)}"
    return error(
        "not-approved",
        f"no approved plan contains this: {what}",
        hint="it came up after the approval; look at the fresh plan and approve that",
    )


def _in_words(change: Change) -> str:
    """Say what a change does; of a secret only the names of its references."""
    before, after = _json(change.before), _json(change.after)
    if not is_shown_whole(change.path, change.before, change.after):
        before, after = abridged_pair(before, after, _LONGEST)
    if change.sensitive:
        before, after = change.before_reference or "", change.reference or ""
    what = {
        ChangeKind.ADD: after,
        ChangeKind.REMOVE: before,
        ChangeKind.REPLACE: f"{before} → {after}",
    }.get(change.op, after)
    return f"{change.op.value} {change.path} {what}".rstrip()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
