"""Exit codes of commands that succeed or find differences; those of errors are in `errors`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.execution.result import ApplyResult
    from reconciler.planning.plan import Plan

DIFFERENT = 2
INCOMPLETE = 5
_UNCERTAIN = 1


def for_plan(plan: "Plan") -> int:
    """Return 0 if in sync, 2 if anything differs, 1 if neither is certain."""
    if plan.in_sync:
        return 0
    # A plan without actions is not in sync if anything that it depends on could not be read.
    return DIFFERENT if plan.actions else _UNCERTAIN


def for_result(result: "ApplyResult") -> int:
    """Return 0 if every action was applied and recorded, else 5."""
    return 0 if result.complete and result.is_recorded else INCOMPLETE
