"""What `drift --incremental` takes from the ledger and leaves there.

What is read and what is not is decided in `reconciler.drift.incremental`.
"""

from dataclasses import replace

from reconciler import workflows
from reconciler.cli import settings
from reconciler.cli.desired_source import records_of
from reconciler.cli.global_options import Invocation
from reconciler.diagnostics import Diagnostic, notice
from reconciler.drift.incremental import IncrementalRead
from reconciler.drift.report import DriftReport
from reconciler.execution.threads import in_thread
from reconciler.planning.options import PlanOptions
from reconciler.views.diagnostics import as_text
from reconciler.workflows import Session

EVERY = 168
"""Runs in which everything is read once, unless told otherwise: a week of hourly checks."""


async def drift(
    invocation: Invocation, session: Session, options: PlanOptions, *, every: int
) -> DriftReport:
    """Look at what moved and a sample, and take down what was read; see `workflows.drift`.

    Without a ledger everything is read, and the report says so.
    """
    records = records_of(invocation, invocation.environment or settings.from_environment())
    seen = await in_thread(lambda: records.seen(session.desired.target))
    if seen is None:
        told = replace(session, diagnostics=(*session.diagnostics, _nothing_remembered()))
        return await workflows.drift(told, options)
    rounds = IncrementalRead(seen, every=every)
    report = await workflows.drift(session, options, rounds=rounds)
    now = workflows.timestamp(settings.now())
    read = rounds.read.values()
    if found := await in_thread(lambda: records.sight(report.target, read, now=now)):
        invocation.console.insist(as_text(found))
    return report


def _nothing_remembered() -> Diagnostic:
    return notice(
        "nothing-remembered",
        "--incremental found no ledger to compare with, so everything was read",
        hint="an apply keeps one in .reconcile; RECONCILE_LEDGER_URL names a shared one",
    )
