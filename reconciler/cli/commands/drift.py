"""`reconcile drift`: has the API moved away from the files, and who moved it?

The same reading and the same decisions as `plan`, told as a report; nothing is written.
"""

from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import command_context, notifications, output, signals, wiring
from reconciler.cli import incremental_drift as memory
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, format_option, metrics_file, planning, reading
from reconciler.cli.telemetry import RunTelemetry
from reconciler.drift.report import DriftReport
from reconciler.planning.options import PlanOptions

DIFFERENT = 2


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
    default=memory.EVERY,
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
            report = await memory.drift(invocation, session, options, every=sample_every)
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
