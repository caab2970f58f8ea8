"""The exit codes of commands that end in order; those of failures are in `reconciler.errors`."""

from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import Plan

DIFFERENT = 2
INCOMPLETE = 5
_UNJUDGED = 1


def of_differences(plan: Plan) -> int:
    """Return 0 for "certainly in sync", 2 for a difference, 1 where neither can be said."""
    if plan.in_sync:
        return 0
    return DIFFERENT if plan.actions else _UNJUDGED


def of_result(result: ApplyResult) -> int:
    """Return 0 if everything was carried out and is on record, else 5."""
    return 0 if result.complete and result.is_recorded else INCOMPLETE
