"""`reconcile plan`: read the API and show the changes; only the file of `--out` is written."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import exit_codes, output, signals, wiring
from reconciler.cli.console import DOCUMENT_FORMATS
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.model_gate import FAILED, escalated, failing
from reconciler.cli.options import (
    ReadingOptions,
    command_context,
    format_option,
    metrics_file,
    observed,
    planning,
    reading_only,
)
from reconciler.planning.plan import Plan, PlanOptions


@click.command("plan", cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan to this file, for `reconcile apply FILE`",
)
@format_option(*DOCUMENT_FORMATS)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with code 2 if there are changes")
@click.option(
    "--audit",
    is_flag=True,
    help="Also read models and workspaces that no file declares, and warn about risks",
)
@metrics_file
@planning
@reading_only
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
    """Show the changes that apply would make, without making them.

    With --audit, models and workspaces that no file declares are read, with one API call for each
    list. An undeclared host or access is a warning; the actions and the digest stay the same.
    """
    observer = observed(
        invocation, command="plan", run=wiring.new_run_id(), metrics_file=metrics_file
    )

    async def work(_handler: signals.SignalHandler) -> tuple[Plan, str, bool]:
        async with wiring.session(
            observer.invocation, reading, selection=options.selection
        ) as session:
            observer.set_target(session.desired.target.name, ledger=session.ledger)
            plan = await workflows.plan(
                session, replace(options, audit=audit, expects_values=not reading.without_values)
            )
            if not reading.fail_on:
                return plan, session.ledger, False
            models = [m for m in session.desired.models if options.selection.includes(m.slug)]
            failed = failing(reading.fail_on, models)
            plan = replace(plan, diagnostics=escalated(plan.diagnostics, failed))
            return plan, session.ledger, bool(failed)

    with observer:
        plan, ledger, has_failed = signals.run(
            work, if_interrupted="no plan was made, and nothing was written"
        )
        context = command_context(invocation, click.get_current_context(), saved_plan=out)
        plan = replace(plan, options=context.plan_options)
        observer.set_plan(plan)
        if out is not None:
            output.save_plan(out, plan)
        console = invocation.console
        console.show_plan(plan, style=style, ledger=ledger, context=context)
        if out is not None:
            console.info(output.note_on_saved(plan, context, style=style))
        code = exit_codes.for_plan(plan) if detailed_exitcode else 0
        return observer.finish(FAILED if has_failed else code)
