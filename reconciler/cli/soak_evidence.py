"""Evidence for promotions, which is read, and its code imported, for few targets only."""

from typing import TYPE_CHECKING

from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.domain.policy import Target
from reconciler.execution.threads import in_thread

if TYPE_CHECKING:
    from reconciler.planning.soak_guard import SoakEvidence


async def soak_evidence(
    invocation: Invocation, environment: Settings, target: Target
) -> "SoakEvidence | None":
    """Return what the ledger tells about the source of a promotion; None without one."""
    if target.promotion is None:
        return None
    from reconciler.cli.soaking import evidence_for

    return await in_thread(lambda: evidence_for(invocation, environment, target))
