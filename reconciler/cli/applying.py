"""One apply with its books: what `apply` and every member of a fleet do once a session is open."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler import workflows
from reconciler.diagnostics import warning
from reconciler.errors import ReconcilerError
from reconciler.execution.approval import Approval
from reconciler.execution.clerk import Clerk
from reconciler.execution.events import Emit, to_all
from reconciler.execution.recording import Books
from reconciler.execution.stopping import Stop
from reconciler.ledger.errors import LedgerError
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.workflows import Applied, Session


async def carry_out(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    run: str,
    books: Books | None,
    listeners: Sequence[Emit],
    confirm: Callable[[Plan], bool],
    stop: Stop,
    abort_on_error: bool = False,
) -> Applied:
    """Apply while the books take it down, and remember in them what has become true.

    The books hear of each event before the listeners; raises what `workflows.apply` raises.
    """

    async def apply(*recorded: Emit) -> Applied:
        return await workflows.apply(
            session,
            options,
            approval=approval,
            confirm=confirm,
            emit=to_all(*recorded, *listeners),
            run=run,
            stop=stop,
            abort_on_error=abort_on_error,
        )

    if books is None:
        return await apply()
    async with Clerk(books.emit_all) as clerk:
        applied = await apply(clerk.emit)
    return _remembered(applied, books, session, options, problem=clerk.problem)


def _remembered(
    applied: Applied,
    books: Books,
    session: Session,
    options: PlanOptions,
    *,
    problem: ReconcilerError | None,
) -> Applied:
    """Remember what is true now; once something was written, a failure of that is a warning.

    `problem` is what kept the books from taking the run down to its end.
    """
    try:
        if problem is not None:
            raise problem
        books.close(
            applied.plan,
            desired=session.desired,
            observed=applied.observed,
            selection=options.selection,
            organisation=applied.organisation_id,
        )
    except LedgerError as failure:
        if not applied.result.outcomes:
            raise
        summary = f"{failure.summary}; what this run found in sync is not remembered"
        found = warning(failure.code, summary, hint="run apply again once the ledger is well")
        return replace(applied, diagnostics=(found,))
    return applied
