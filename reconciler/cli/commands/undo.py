"""`reconcile undo`: a plan that restores the state before a run, for review and apply.

`reconciler.execution.undo` describes what can be restored.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import completion_values, output, settings, signals, wiring
from reconciler.cli.console import DOCUMENT_FORMATS
from reconciler.cli.desired_source import read_files
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import (
    ReadingOptions,
    command_context,
    connection,
    format_option,
    undo_options,
)
from reconciler.cli.undo_source import UndoSource
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, in_order
from reconciler.errors import InvalidInput
from reconciler.execution.threads import in_thread
from reconciler.frozen_dataclass import dataclass
from reconciler.planning import codec
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan, PlanOptions, PlanTarget, Selection
from reconciler.pull.undo_edits import Restored, RestoreTarget, restore
from reconciler.views import diagnostics
from reconciler.views.plan_outline import header_of


@click.command("undo", cls=Command)
@argument(
    "run",
    metavar="RUN",
    description="Id of the run, as `reconcile history` lists it",
    shell_complete=completion_values.runs,
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan to this file, for `reconcile apply FILE`",
)
@click.option(
    "--edit-files", is_flag=True, help="Edit the files instead of planning changes to the API"
)
@format_option(*DOCUMENT_FORMATS)
@undo_options
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
    """Plan how to restore the state before a run, without changing anything.

    The files are not changed, so the next apply of the files reverts the undo. With --edit-files,
    the files are edited in place instead; commit and apply them. Secret values are not stored, so a
    credential that the run replaced cannot be restored.
    """
    if edit_files:
        _check_edit(out, style)
        return _edit(invocation, run, options, style=style)

    async def work(_handler: signals.SignalHandler) -> tuple[Plan, str]:
        source = await in_thread(partial(UndoSource, invocation, run))
        asked = source.options(options)
        async with wiring.session(
            invocation, connection, selection=asked.selection, source=source
        ) as session:
            return await workflows.plan(session, asked), session.ledger

    plan, ledger = signals.run(work)
    context = command_context(invocation, click.get_current_context(), saved_plan=out)
    plan = replace(plan, options=context.plan_options)
    if out is not None:
        output.save(out, codec.encode(plan))
    console = invocation.console
    console.show_plan(plan, style=style, ledger=ledger, context=context)
    if out is not None:
        console.info(output.note_on_saved(plan, context, style=style))
    return 0


def _check_edit(out: Path | None, style: str) -> None:
    if out is not None or style not in {"text", "json"}:
        raise click.UsageError(
            "--edit-files makes no plan; it cannot be used with --out, --format markdown or html"
        )


def _edit(invocation: Invocation, run: str, options: PlanOptions, *, style: str) -> int:
    from reconciler.pull import working_copy
    from reconciler.views import changed_files

    done = _edited(invocation, run, options.selection)
    restored = done.restored
    working_copy.write(invocation.dir, restored.changed, before=restored.before)
    working_copy.remove(invocation.dir, restored.removed)
    console = invocation.console
    if style == "json":
        console.data(changed_files.undo_json(done.restored, run=run, diagnostics=done.diagnostics))
        return 0
    if done.diagnostics:
        console.warning(diagnostics.as_text(done.diagnostics))
    console.data(
        changed_files.undo_text(done.restored, header=done.header, folder=str(invocation.dir))
    )
    return 0


@dataclass(frozen=True, slots=True)
class Edited:
    """Files that undo a run, with their header and diagnostics."""

    restored: Restored
    header: str
    diagnostics: tuple[Diagnostic, ...]


def _edited(invocation: Invocation, run: str, selection: Selection) -> Edited:
    """Return the edited files, without writing them or calling the API."""
    source = UndoSource(invocation, run, for_files=True)
    source.refuse_unmatched(selection)
    loaded, desired = read_files(invocation, source.environment)
    if loaded.config is None:
        raise InvalidInput(loaded.diagnostics)
    past = wiring.ledger_access_of(invocation, source.environment).read_snapshot(source.target)
    desired_input = source.desired_input(past)
    assert desired_input.undo is not None  # noqa: S101  what comes from a past run is an undo
    images = {s: image for s, image in desired_input.undo.images.items() if selection.includes(s)}
    restored = restore(
        DirectorySource(invocation.dir),
        config=loaded.config,
        desired=desired,
        targets={
            slug: RestoreTarget(
                declared.fields, is_whole=images[slug].kind is not ActionKind.UPDATE
            )
            for slug, declared in desired_input.desired.integrations.items()
            if slug in images
        },
        gone=[slug for slug, image in images.items() if image.observed is None],
        today=settings.now().date(),
    )
    header = header_of(PlanTarget.of(source.target), ledger=past.state)
    found = in_order([*desired_input.diagnostics, *past.diagnostics, *restored.diagnostics])
    return Edited(restored, header, found)
