"""`reconcile undo`: a plan that takes a run back, to be looked at and then applied.

What can be restored, and what not: `reconciler.execution.undo`.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import command_context, output, settings, signals, wiring
from reconciler.cli.desired_source import read_files
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, connection, format_option, undoing
from reconciler.cli.undo_source import UndoSource
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, in_order
from reconciler.errors import InvalidInput
from reconciler.execution.threads import in_thread
from reconciler.planning import codec
from reconciler.planning.actions import ActionKind
from reconciler.planning.options import PlanOptions, Selection
from reconciler.planning.plan import Plan
from reconciler.pull.undo_edits import Restored, RestoreTarget, restore
from reconciler.views import diagnostics
from reconciler.views.plan_outline import header_of


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
        source = await in_thread(partial(UndoSource, invocation, run))
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
    from reconciler.pull import working_copy
    from reconciler.views import changed_files

    done = _edited(invocation, run, options.selection)
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


@dataclass(frozen=True, slots=True)
class Edited:
    """Files that undo a run, with what is to be told about them."""

    restored: Restored
    header: str
    diagnostics: tuple[Diagnostic, ...]


def _edited(invocation: Invocation, run: str, selection: Selection) -> Edited:
    """Give the files as they have to be; nothing is written, and the API is not asked."""
    source = UndoSource(invocation, run, to_edit=True)
    source.refuse_unmatched(selection)
    loaded, desired = read_files(invocation, source.environment)
    if loaded.config is None:
        raise InvalidInput(loaded.diagnostics)
    past = wiring.records_of(invocation, source.environment).recall(source.target)
    wish = source.wish(past)
    assert wish.undo is not None  # noqa: S101  what comes from a past run is an undo
    images = {s: image for s, image in wish.undo.images.items() if selection.includes(s)}
    restored = restore(
        DirectorySource(invocation.dir),
        config=loaded.config,
        desired=desired,
        targets={
            slug: RestoreTarget(
                declared.fields, is_whole=images[slug].kind is not ActionKind.UPDATE
            )
            for slug, declared in wish.desired.integrations.items()
            if slug in images
        },
        gone=[slug for slug, image in images.items() if image.observed is None],
        today=settings.now().date(),
    )
    header = header_of(wiring.plan_target(source.target), ledger=past.state)
    found = in_order([*wish.diagnostics, *past.diagnostics, *restored.diagnostics])
    return Edited(restored, header, found)
