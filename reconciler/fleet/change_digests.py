"""Approve what a plan holds by digests alone, so that an approval can travel where no plan may.

A plan of the same run may shrink between approval and apply, for example when a crash left half of
it done; it must not grow. Approvals by saved plans: `reconciler.planning.approval`.
"""

from collections.abc import Collection

from reconciler.diagnostics import error
from reconciler.domain.rejection import Refused
from reconciler.domain.tree import digest
from reconciler.planning.plan import Plan

LENGTH = 32
"""Hex digits of a piece: 128 bits, so that thousands of them fit into a message."""


def change_digests(plan: Plan) -> tuple[str, ...]:
    """Give a digest of each action and of each of its changes."""
    return tuple(
        _digest([plan.target.name, plan.target.base_url, action.address, action.kind.value, part])
        for action in plan.actions
        for part in (None, *(change.identity for change in action.changes))
    )


def require_approved(plan: Plan, *, approved: Collection[str]) -> bool:
    """Raise `Refused` unless every piece of a plan was approved."""
    known = set(approved)
    if not known.issuperset(change_digests(plan)):
        raise Refused(
            [
                error(
                    "not-approved",
                    "the plan holds more than was approved",
                    hint="it came up after the approval; look at the fresh plan and approve that",
                )
            ],
            plan=plan,
        )
    return True


def _digest(part: object) -> str:
    return digest(part).removeprefix("sha256:")[:LENGTH]
