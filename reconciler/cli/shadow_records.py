"""Shadows that the ledger knows, for a target that does not stage its rotations any more.

A target that stages reads them with its last-applied state (`reconciler.cli.ledger_access`).
"""

from reconciler.cli.ledger_access import LedgerAccess, key_of
from reconciler.domain.policy import Target
from reconciler.domain.state import LastAppliedState
from reconciler.execution.threads import in_thread
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import LedgerState


async def with_shadow_records(
    ledger_access: LedgerAccess,
    target: Target,
    state: LastAppliedState,
    *,
    is_locked: bool = False,
) -> LastAppliedState:
    """Return a last-applied state with the shadows of the ledger.

    `is_locked` if the caller holds the lock of the target in the ledger. A run without records only
    locks a file of this machine, which proves nothing about runs elsewhere.
    """
    return await in_thread(lambda: _with_shadows(ledger_access, target, state, is_locked=is_locked))


def _with_shadows(
    ledger_access: LedgerAccess, target: Target, state: LastAppliedState, *, is_locked: bool
) -> LastAppliedState:
    if ledger_access.state is LedgerState.FRESH:
        return state
    try:
        with ledger_access.open(read_only=True) as ledger:
            return ledger.with_shadows(key_of(target), state, is_locked=is_locked)
    except LedgerError:
        # The snapshot has reported it. A shadow that the ledger does not prove is not deleted.
        return state
