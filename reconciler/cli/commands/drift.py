"""`reconcile drift`: has the API moved away from the files, and who moved it?

The same reading and the same decisions as `plan`, told as a report; nothing is written.
"""

import click

from reconciler import workflows
from reconciler.cli import notifying, output, repeating, signals, wiring
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import Reading, format_option, planning, reading
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
@planning
@reading
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    style: str,
    notify: tuple[str, ...],
    options: PlanOptions,
    reading: Reading,
) -> int:
    """Tell how the API differs from the files, and who moved.

    Exits 2 if anything differs. A URL of --notify is one that apprise understands, such as
    slack://…; it holds a token, so put it into RECONCILE_DRIFT_NOTIFY rather than on the command
    line. Channels are told at every run that finds a difference; the fingerprint in the message
    says whether it is the same one. A channel that fails is a warning.
    """
    notifying.check(notify)

    async def work(_interruption: signals.Interruption) -> tuple[DriftReport, str]:
        async with wiring.session(invocation, reading, selection=options.selection) as session:
            return await workflows.drift(session, options), session.ledger

    report, ledger = signals.run(work)
    asked = repeating.asked(invocation, click.get_current_context())
    console = invocation.console
    output.show_drift(console, report, style=style, ledger=ledger, asked=asked)
    if report.in_sync:
        return 0
    notifying.drift(console, notify, report, ledger=ledger, asked=asked)
    return DIFFERENT
