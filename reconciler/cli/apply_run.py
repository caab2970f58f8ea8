"""One apply with its books: what `apply` and every member of a fleet do once a session is open."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler import workflows
from reconciler.diagnostics import error
from reconciler.errors import ReconcilerError
from reconciler.execution.batch_writer import BatchWriter, defect, finished, unanswered
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import Emit, to_all
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.preflight import Approval
from reconciler.execution.result import ActionFailure
from reconciler.execution.threads import in_thread
from reconciler.ledger.models import Anchor
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.workflows import Applied, Session


async def carry_out(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    run: str,
    books: LedgerListener | None,
    listeners: Sequence[Emit],
    confirm: Callable[[Plan], bool],
    stop: CancelToken,
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
    async with BatchWriter(books.emit_all, stop) as clerk:
        applied = await apply(clerk.emit)
    return await _remembered(applied, books, session, options, stop=stop, problem=clerk.problem)


async def _remembered(
    applied: Applied,
    books: LedgerListener,
    session: Session,
    options: PlanOptions,
    *,
    stop: CancelToken,
    problem: ReconcilerError | None,
) -> Applied:
    """Remember what is true now, and add to the result where its record ends.

    `problem` is what kept the books from taking the run down to its end. Once something was
    written, a failure of the ledger does not hide what was done: it becomes part of the result.
    """

    def close() -> Anchor | None:
        books.close(
            applied.plan,
            desired=session.desired,
            observed=applied.observed,
            selection=options.selection,
            organisation=applied.organisation_id,
        )
        return books.anchor()

    try:
        if problem is not None:
            raise problem
        closing = asyncio.ensure_future(in_thread(close))
        if not await finished(closing, stop):
            closing.cancel()
            raise unanswered()
        return replace(applied, result=replace(applied.result, ledger=closing.result()))
    except Exception as failure:
        if not applied.result.outcomes:
            raise
        known = failure if isinstance(failure, ReconcilerError) else defect(failure)
        return _with_failure(applied, known)


def _with_failure(applied: Applied, failure: ReconcilerError) -> Applied:
    """Add to a result that the ledger does not hold all of it."""
    hint = f"{failure.hint}; once the ledger is well, run apply again: it does only what is left"
    found = error(
        failure.code,
        f"{failure.summary}; the record of this run is not complete, its result is",
        hint=hint,
    )
    ledger = ActionFailure(found.code, found.summary, found.hint)
    return replace(applied, result=replace(applied.result, ledger=ledger), diagnostics=(found,))
