"""Find out who moved: read a plan as a comparison instead of as an intention.

Pure. What differs was decided by `reconciler.planning`; here it is only attributed. How a report is
written down: `reconciler.drift.report`.
"""

from types import MappingProxyType

from reconciler.drift.report import DriftReport
from reconciler.planning.actions import Action, ActionKind, ChangeKind, ChangeOrigin
from reconciler.planning.plan import Plan


def detect(plan: Plan, *, not_read: int = 0) -> DriftReport:
    """Say of every difference between the files and the API who moved.

    The plan must be fresh: only then is it known of a delete whether Git ever declared the slug.
    `not_read` counts what was taken for unchanged.
    """
    origins = {action.slug: origin_of(action) for action in plan.actions}
    return DriftReport(plan, MappingProxyType(origins), not_read)


def origin_of(action: Action) -> ChangeOrigin:
    """Give the origin of an action as a whole.

    One change that was made in the API counts, since applying would undo it. Git is only said to be
    ahead if nothing else can be the case.
    """
    if action.kind is ActionKind.DELETE:
        # It has no changes. What Git declared once, it has withdrawn since.
        once = action.subject.remembered.declared is not None
        return ChangeOrigin.LOCAL if once else ChangeOrigin.UNKNOWN
    # A secret that is sent along has not moved.
    origins = {change.origin for change in action.changes if change.op is not ChangeKind.RESEND}
    if ChangeOrigin.BOTH in origins or {ChangeOrigin.LOCAL, ChangeOrigin.REMOTE} <= origins:
        return ChangeOrigin.BOTH
    if ChangeOrigin.REMOTE in origins:
        return ChangeOrigin.REMOTE
    return ChangeOrigin.LOCAL if origins == {ChangeOrigin.LOCAL} else ChangeOrigin.UNKNOWN
