"""`reconcile drift`: has the API moved away from the files, and who moved it?

The same reading and the same decisions as `plan`, told as a report; nothing is written.
"""

from dataclasses import replace
from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import command_context, notifications, output, settings, signals, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.ledger_access import records_of
from reconciler.cli.options import ReadingOptions, format_option, metrics_file, planning, reading
from reconciler.cli.telemetry import RunTelemetry
from reconciler.diagnostics import Diagnostic, notice
from reconciler.drift.incremental import IncrementalRead
from reconciler.drift.report import DriftReport
from reconciler.execution.threads import in_thread
from reconciler.planning.options import PlanOptions
from reconciler.views.diagnostics import as_text
from reconciler.workflows import Session

DIFFERENT = 2

EVERY = 168
"""Runs in which everything is read once, unless told otherwise: a week of hourly checks."""


@click.command("drift", cls=Command)
@format_option(*output.PLAN_FORMATS)
@click.option(
    "--notify",
    metavar="URL",
    multiple=True,
    help="Tell this channel, too, if anything differs (extra `notify`); may be repeated.",
)
@click.option(
    "--incremental",
    is_flag=True,
    help="Read what moved since the ledger's last look, and a sample of the rest.",
)
@click.option(
    "--sample-every",
    type=click.IntRange(1),
    metavar="RUNS",
    default=EVERY,
    show_default=True,
    help="With --incremental, read everything once in so many runs.",
)
@metrics_file
@planning
@reading
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    style: str,
    notify: tuple[str, ...],
    incremental: bool,
    sample_every: int,
    metrics_file: Path | None,
    options: PlanOptions,
    reading: ReadingOptions,
) -> int:
    """Tell how the API differs from the files, and who moved.

    Exits 2 if anything differs. A URL of --notify is one that apprise understands, such as
    slack://…; it holds a token, so put it into RECONCILE_DRIFT_NOTIFY rather than on the command
    line. Channels are told at every run that finds a difference; the fingerprint in the message
    says whether it is the same one. A channel that fails is a warning.

    Models and workspaces that no file declares are read as by `plan --audit`, and an undeclared
    host or access there is a warning.

    With --incremental, what the list shows unmoved is taken to be as it was when it was last read,
    and the report counts it as not read. An apply always reads everything.
    """
    notifications.check(notify)

    seen = RunTelemetry(
        invocation, command="drift", run=wiring.new_run(), metrics_file=metrics_file
    )

    async def work(_interruption: signals.SignalHandler) -> tuple[DriftReport, str]:
        async with wiring.session(seen.invocation, reading, selection=options.selection) as session:
            seen.opened(session.desired.target.name, ledger=session.ledger)
            workflows.require_ledger(session)
            if not incremental:
                return await workflows.drift(session, options), session.ledger
            report = await _incremental_drift(invocation, session, options, every=sample_every)
            return report, session.ledger

    with seen:
        report, ledger = signals.run(work, undone="there is no report, and nothing was written")
        seen.planned(report.plan)
        context = command_context.command_context(invocation, click.get_current_context())
        console = invocation.console
        output.show_drift(console, report, style=style, ledger=ledger, context=context)
        if report.in_sync:
            return seen.ends(0)
        notifications.drift(console, notify, report, ledger=ledger, context=context)
        return seen.ends(DIFFERENT)


async def _incremental_drift(
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
    incremental = IncrementalRead(seen, every=every)
    report = await workflows.drift(session, options, incremental=incremental)
    now = workflows.timestamp(settings.now())
    read = incremental.read.values()
    if found := await in_thread(lambda: records.sight(report.target, read, now=now)):
        invocation.console.insist(as_text(found))
    return report


def _nothing_remembered() -> Diagnostic:
    return notice(
        "nothing-remembered",
        "--incremental found no ledger to compare with, so everything was read",
        hint="an apply keeps one in .reconcile; RECONCILE_LEDGER_URL names a shared one",
    )
