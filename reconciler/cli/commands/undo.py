"""`reconcile undo`: a plan that takes a run back, to be looked at and then applied.

What can be restored, and what not: `reconciler.execution.undo`.
"""

from functools import partial
from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import command_context, desired_source, output, signals, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, connection, format_option, undoing
from reconciler.execution.threads import in_thread
from reconciler.planning import codec
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.views import diagnostics


@click.command("undo", cls=Command)
@click.argument("run")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan for `reconcile apply FILE`.",
)
@click.option(
    "--edit-files", is_flag=True, help="Change the files instead, for Git to say the same."
)
@format_option(*output.PLAN_FORMATS)
@undoing
@connection
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    run: str,
    out: Path | None,
    edit_files: bool,
    style: str,
    options: PlanOptions,
    connection: ReadingOptions,
) -> int:
    """Plan to restore what a RUN changed; write nothing.

    The files have no part in it: Git still says otherwise, and the next apply of the files reverts
    an undo. With --edit-files the files are changed instead of the API, in place, to be committed
    and applied. Values of secrets are kept nowhere, so a credential that the run replaced stays.
    """
    if edit_files:
        _check_edit(out, style)
        return _edit(invocation, run, options, style=style)

    async def work(_interruption: signals.SignalHandler) -> tuple[Plan, str]:
        source = await in_thread(partial(desired_source.UndoSource, invocation, run))
        asked = source.options(options)
        async with wiring.session(
            invocation, connection, selection=asked.selection, source=source
        ) as session:
            return await workflows.plan(session, asked), session.ledger

    plan, ledger = signals.run(work)
    if out is not None:
        output.save(out, codec.encode(plan))
    console = invocation.console
    context = command_context.command_context(
        invocation, click.get_current_context(), saved_plan=out
    )
    output.show_plan(console, plan, style=style, ledger=ledger, context=context)
    if out is not None:
        console.say(output.how_to_apply_saved(plan, context))
    return 0


def _check_edit(out: Path | None, style: str) -> None:
    if out is not None or style not in {"text", "json"}:
        raise click.UsageError(
            "--edit-files makes no plan; it takes neither --out nor --format markdown or html"
        )


def _edit(invocation: Invocation, run: str, options: PlanOptions, *, style: str) -> int:
    from reconciler.cli import undo_in_files
    from reconciler.pull import working_copy
    from reconciler.views import changed_files

    done = undo_in_files.undo(invocation, run, options.selection)
    working_copy.write(invocation.dir, done.restored.changed)
    working_copy.remove(invocation.dir, done.restored.removed)
    console = invocation.console
    if style == "json":
        console.data(changed_files.undo_json(done.restored, run=run, diagnostics=done.diagnostics))
        return 0
    if done.diagnostics:
        console.insist(diagnostics.as_text(done.diagnostics))
    console.data(
        changed_files.undo_text(done.restored, header=done.header, folder=str(invocation.dir))
    )
    return 0
