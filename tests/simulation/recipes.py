"""The recipe under test, and broken ones that the oracles have to catch."""

from reconciler import workflows
from reconciler.execution.approval import Approval
from reconciler.execution.events import Emit
from reconciler.execution.outcome import ApplyResult
from reconciler.execution.stopping import Stop
from reconciler.planning.options import PlanOptions
from reconciler.remote.api import IntegrationsAPI


class Recipe:
    """The real one: `workflows.apply` as it is."""

    name = "real"

    def client(self, api: IntegrationsAPI) -> IntegrationsAPI:
        """Give what the calls go through."""
        return api

    async def apply(
        self, session: workflows.Session, options: PlanOptions, *, emit: Emit, run: str
    ) -> ApplyResult:
        """Plan afresh and carry it out."""
        applied = await workflows.apply(
            session,
            options,
            approval=Approval(assumed=True),
            confirm=lambda _plan: True,
            emit=emit,
            run=run,
            stop=Stop(),
        )
        return applied.result


REAL = Recipe()
