"""`reconcile apply`: plan, confirm, apply and show the result."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import click

from reconciler.apply_workflow import Applied
from reconciler.cli import exit_codes, notifications, output, signals, wiring
from reconciler.cli.apply_run import RunDisplay, run_apply
from reconciler.cli.console import Console
from reconciler.cli.global_options import Command, Invocation, RunObserver, argument
from reconciler.cli.options import (
    ApprovalOptions,
    ReadingOptions,
    approval_options,
    command_context,
    format_option,
    metrics_file,
    observed,
    planning,
    reading,
)
from reconciler.cli.refusal_hints import suggesting_commands
from reconciler.cli.undo_source import UndoSource
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.preflight import Approval
from reconciler.execution.threads import in_thread
from reconciler.frozen_dataclass import dataclass
from reconciler.planning import codec
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.views import diagnostics
from reconciler.views.sections import CommandContext
from reconciler.workflows import Session


@click.command("apply", cls=Command)
@argument(
    "plans",
    nargs=-1,
    metavar="[PLAN]...",
    type=click.Path(path_type=Path),
    description="Saved plans, which approve the changes that they contain and no others",
)
@format_option("text", "json")
@click.option(
    "--notify",
    metavar="URL",
    multiple=True,
    help="Also notify this channel if any action fails (needs the extra `notify`); repeatable",
)
@approval_options
@metrics_file
@planning
@reading
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    plans: tuple[Path, ...],
    style: str,
    notify: tuple[str, ...],
    approval_options: ApprovalOptions,
    metrics_file: Path | None,
    options: PlanOptions,
    reading: ReadingOptions,
) -> int:
    """Make the API match the files.

    With saved plans, only changes that they contain are made. A plan saved by `undo` restores the
    state before its run.
    """
    # Checked first, so that an invalid channel is reported before the apply and not after it.
    notifications.check(notify)
    saved = tuple(_read_plan(path) for path in plans)
    digest, assumed = approval_options.expect_digest, approval_options.yes
    approval = Approval(
        digest=digest,
        plans=saved,
        assumed=assumed,
        break_freeze=approval_options.break_freeze,
        allow_unsoaked=approval_options.allow_unsoaked,
    )
    observer = observed(
        invocation, command="apply", run=wiring.new_run_id(), metrics_file=metrics_file
    )
    run = _Run(
        invocation,
        options,
        reading,
        approval=approval,
        approval_options=approval_options,
        observer=observer,
        undone_run=_run_to_undo(saved, base=reading.base),
        style=style,
        channels=notify,
        context=command_context(invocation, click.get_current_context()),
    )
    with observer, suggesting_commands(invocation, plans):
        return observer.finish(signals.run(run.to_end, if_interrupted="nothing was written"))


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of `apply`; `undone_run` is set if its plans come from `undo`."""

    invocation: Invocation
    options: PlanOptions
    reading: ReadingOptions
    approval: Approval
    approval_options: ApprovalOptions
    observer: RunObserver
    undone_run: str | None
    style: str
    channels: Sequence[str]
    context: CommandContext

    async def to_end(self, handler: signals.SignalHandler) -> int:
        """Apply, show the result and return the exit code."""
        source, options = None, self.options
        if self.undone_run is not None:
            # In a thread, because reading the ledger and Git blocks.
            source = await in_thread(partial(UndoSource, self.invocation, self.undone_run))
            options = source.options(options)
        async with wiring.run(
            self.observer.invocation,
            self.reading,
            selection=options.selection,
            name=self.observer.run,
            keeps_records=not self.approval_options.no_ledger,
            source=source,
            allow_older_commit=self.approval_options.allow_older_commit,
            probe=self.approval_options.probe,
        ) as (session, ledger_listener):
            applied, has_shown_plan = await self._apply(session, ledger_listener, options, handler)
        self.observer.log_ledger(applied.result)
        console = self.invocation.console
        continues = has_shown_plan and console.is_one_stream
        self._report(applied, ledger=session.ledger, continues=continues)
        return handler.exit_code or _exit_code(console, applied)

    async def _apply(
        self,
        session: Session,
        ledger_listener: LedgerListener | None,
        options: PlanOptions,
        handler: signals.SignalHandler,
    ) -> tuple[Applied, bool]:
        """Apply; return what was done, and whether the plan was shown."""
        self.observer.set_target(session.desired.target.name, ledger=session.ledger)
        cancel = CancelToken()
        display = RunDisplay(
            self.invocation.console,
            handler,
            cancel,
            style=self.style,
            ledger=session.ledger,
            context=self.context,
        )
        with display:
            applied = await run_apply(
                session,
                options,
                self.approval,
                run=self.observer.run,
                ledger_listener=ledger_listener,
                listeners=(display.emit, self.observer.emit),
                confirm=display.confirm,
                cancel=cancel,
                abort_on_error=self.approval_options.on_error == "abort",
            )
        return applied, display.has_shown_plan

    def _report(self, applied: Applied, *, ledger: str, continues: bool) -> None:
        """Show the result, and notify the channels of actions that were not applied."""
        console = self.invocation.console
        console.show_result(
            applied.result,
            applied.plan,
            style=self.style,
            ledger=ledger,
            context=self.context,
            continues=continues,
            is_default_target=self.invocation.target is None,
        )
        if applied.diagnostics:
            console.warning(diagnostics.as_text(applied.diagnostics))
        if not applied.result.complete:
            notifications.failed_apply(
                console, self.channels, applied.result, ledger=ledger, context=self.context
            )


def _exit_code(console: Console, applied: Applied) -> int:
    # If printing the result fails, the run must not look as if it wrote nothing.
    return exit_codes.INCOMPLETE if console.lost else exit_codes.for_result(applied.result)


def _run_to_undo(plans: Collection[Plan], *, base: str | None) -> str | None:
    """Return the run that the plans undo, None for plans of files."""
    runs = {plan.run for plan in plans}
    # Also done if there is no plan; the set is then empty.
    if runs <= {None}:
        return None
    if len(runs) > 1 or base is not None:
        hint = "pass one undo plan, without other plans and without --base"
        raise InvalidInput(
            [
                error(
                    "undo-alone",
                    "an undo plan cannot be combined with other plans or with --base",
                    hint=hint,
                )
            ]
        )
    return runs.pop()


def _read_plan(path: Path) -> Plan:
    return codec.decode(output.read(path, limit=codec.MAX_PLAN_BYTES), name=str(path))
