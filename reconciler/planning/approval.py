"""Is this fresh plan contained in those that were approved?

A saved plan is an approval: whatever is about to happen must have been in it (product.md §6).
What has meanwhile become true needs no approval any more, so a smaller plan is always contained.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.planning.actions import Action, ActionKind, Change, Op
from reconciler.planning.plan import Plan, Unverified


@dataclass(frozen=True, slots=True)
class NotApproved:
    """Something in the fresh plan that no approved plan contains; `path` None: the action."""

    slug: str
    kind: ActionKind
    path: str | None = None
    op: Op | None = None


def beyond_approval(fresh: Plan, approved: Iterable[Plan]) -> tuple[NotApproved, ...]:
    """Give what the fresh plan would do beyond the union of the approved plans."""
    plans = tuple(approved)
    actions: dict[tuple[str, ActionKind], list[Action]] = {}
    for plan in plans:
        for action in plan.actions:
            actions.setdefault((action.slug, action.kind), []).append(action)
    unverified = {item for plan in plans for item in plan.unverified}
    excess: list[NotApproved] = []
    for action in fresh.actions:
        same = actions.get((action.slug, action.kind))
        rotates_only = all(_is_known_secret(action, c, unverified) for c in action.changes)
        if same is None and not (action.kind is ActionKind.UPDATE and rotates_only):
            excess.append(NotApproved(action.slug, action.kind))
            continue
        allowed = {_key(change) for other in same or () for change in other.changes}
        excess += [
            NotApproved(action.slug, action.kind, change.path, change.op)
            for change in action.changes
            if _key(change) not in allowed and not _is_known_secret(action, change, unverified)
        ]
    return tuple(excess)


def _key(change: Change) -> tuple[str, Op, str]:
    """Give what has to be equal: path, op, before and after, for a secret its references."""
    shown = (change.before, change.after, change.reference, change.before_reference)
    return change.path, change.op, repr(shown)


def _is_known_secret(action: Action, change: Change, unverified: set[Unverified]) -> bool:
    """Tell whether this writes a secret that an approved plan could not verify."""
    if change.op not in {Op.ROTATE, Op.RESEND} or change.reference is None:
        return False
    return Unverified(action.slug, change.path, change.reference) in unverified
