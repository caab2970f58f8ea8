"""Evidence of a run or a drift check about how long content has been in use without drift.

Loaded only for a target that is the source of a promotion. `reconciler.ledger.soak_record` stores
it.
"""

from collections.abc import Callable, Collection

from reconciler.domain.state import DesiredState
from reconciler.ledger.soak_record import SoakCheck, content_of
from reconciler.planning.actions import Action, ActionKind, ChangeOrigin
from reconciler.planning.plan import Plan, Selection


def before_run(plan: Plan) -> SoakCheck:
    """Return the check of a run that starts: the soak time of everything that it changes ends."""
    return SoakCheck(ended={action.slug for action in plan.actions})


def after_run(
    plan: Plan, desired: DesiredState, selection: Selection, *, done: Collection[str]
) -> SoakCheck:
    """Return the check of a run that has ended; `done` are the slugs that it wrote and verified."""
    acted = {action.slug for action in plan.actions}
    deletes = {action.slug for action in plan.actions if action.kind is ActionKind.DELETE}
    return SoakCheck(
        in_sync=_contents(
            desired, lambda s: selection.includes(s) and (s in done or s not in acted)
        ),
        removed=deletes,
    )


def of_drift(
    plan: Plan,
    desired: DesiredState,
    selection: Selection,
    *,
    has_read: Callable[[str], bool],
) -> SoakCheck:
    """Return the check of a drift report; `has_read` is False for what was assumed unchanged.

    A change that only Git made is not drift, but is not confirmed either.
    """
    differing = {action.slug for action in plan.actions}
    return SoakCheck(
        in_sync=_contents(
            desired, lambda s: selection.includes(s) and s not in differing and has_read(s)
        ),
        ended={action.slug for action in plan.actions if not _is_local(action)},
    )


def _contents(desired: DesiredState, includes: Callable[[str], bool]) -> dict[str, str]:
    return {
        slug: content_of(declared.fields)
        for slug, declared in desired.integrations.items()
        if includes(slug)
    }


def _is_local(action: Action) -> bool:
    """Return whether only Git has changed since the last run; without changes, that is unknown."""
    if action.kind is ActionKind.DELETE:
        return True
    origins = {change.origin for change in action.changes}
    return action.kind is ActionKind.UPDATE and origins == {ChangeOrigin.LOCAL}
