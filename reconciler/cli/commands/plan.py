"""`reconcile plan`: read the API, decide, show; nothing is written but the file of `--out`."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import command_context, exit_codes, output, signals, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, format_option, metrics_file, planning, reading
from reconciler.cli.telemetry import RunTelemetry
from reconciler.planning import codec
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan


@click.command("plan", cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan for `reconcile apply FILE`.",
)
@format_option(*output.PLAN_FORMATS)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there is something to do.")
@click.option(
    "--audit",
    is_flag=True,
    help="Also read models and workspaces that no file declares, and warn of what they let in.",
)
@metrics_file
@planning
@reading
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    out: Path | None,
    style: str,
    detailed_exitcode: bool,
    audit: bool,
    metrics_file: Path | None,
    options: PlanOptions,
    reading: ReadingOptions,
) -> int:
    """Show what apply would change, and why; write nothing.

    With --audit the custom models of integrations that declare no models are read as well, and the
    workspaces that have access although none is declared. An undeclared host there is a warning.
    That costs one call more for each such list; the actions and the digest stay the same.
    """

    seen = RunTelemetry(invocation, command="plan", run=wiring.new_run(), metrics_file=metrics_file)

    async def work(_interruption: signals.SignalHandler) -> tuple[Plan, str]:
        async with wiring.session(seen.invocation, reading, selection=options.selection) as session:
            seen.opened(session.desired.target.name, ledger=session.ledger)
            return await workflows.plan(session, replace(options, audit=audit)), session.ledger

    with seen:
        plan, ledger = signals.run(work, undone="there is no plan, and nothing was written")
        seen.planned(plan)
        if out is not None:
            output.save(out, codec.encode(plan))
        console = invocation.console
        context = command_context.command_context(
            invocation, click.get_current_context(), saved_plan=out
        )
        output.show_plan(console, plan, style=style, ledger=ledger, context=context)
        if out is not None:
            console.say(output.how_to_apply_saved(plan, context))
        return seen.ends(exit_codes.of_differences(plan) if detailed_exitcode else 0)
