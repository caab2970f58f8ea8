"""`reconcile apply`: plan, confirm, apply and show the result."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import click

from reconciler.cli import (
    command_context,
    exit_codes,
    notifications,
    output,
    signals,
    wiring,
)
from reconciler.cli.apply_run import RunDisplay, run_apply
from reconciler.cli.console import Console
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import (
    ApprovalOptions,
    ReadingOptions,
    approval_options,
    format_option,
    metrics_file,
    planning,
    reading,
)
from reconciler.cli.telemetry import RunTelemetry
from reconciler.cli.undo_source import UndoSource
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.preflight import Approval
from reconciler.execution.threads import in_thread
from reconciler.planning import codec
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.views import diagnostics
from reconciler.workflows import Applied, Session


@click.command("apply", cls=Command)
@click.argument("plans", nargs=-1, type=click.Path(path_type=Path))
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

    With saved PLANS, only changes that they contain are made. A plan saved by `undo` restores the
    state before its run.
    """
    notifications.check(notify)
    saved = tuple(_read_plan(path) for path in plans)
    approval = Approval(
        digest=approval_options.expect_digest, plans=saved, assumed=approval_options.yes
    )
    undoes = _run_to_undo(saved, base=reading.base)
    run = wiring.new_run_id()
    telemetry = RunTelemetry(invocation, command="apply", run=run, metrics_file=metrics_file)

    async def work(handler: signals.SignalHandler) -> int:
        source = None
        if undoes:
            source = await in_thread(partial(UndoSource, invocation, undoes))
        asked = source.options(options) if source else options
        async with wiring.run(
            telemetry.invocation,
            reading,
            selection=asked.selection,
            name=telemetry.run,
            keeps_records=not approval_options.no_ledger,
            source=source,
            allow_older_commit=approval_options.allow_older_commit,
        ) as (session, ledger_listener):
            display = RunDisplay(
                invocation.console, handler, CancelToken(), style=style, ledger=session.ledger
            )
            applied = await _carry_out(
                session,
                asked,
                approval,
                display=display,
                ledger_listener=ledger_listener,
                telemetry=telemetry,
                approval_options=approval_options,
            )
        telemetry.log_ledger(applied.result)
        _report(invocation.console, applied, style=style, ledger=session.ledger, channels=notify)
        return handler.exit_code or _exit_code(invocation.console, applied)

    with telemetry, command_context.suggesting_commands(invocation, plans):
        return telemetry.finish(signals.run(work, if_interrupted="nothing was written"))


def _exit_code(console: Console, applied: Applied) -> int:
    # A result that could not be printed must not look like a run that wrote nothing.
    return exit_codes.INCOMPLETE if console.lost else exit_codes.for_result(applied.result)


def _report(
    console: Console, applied: Applied, *, style: str, ledger: str, channels: Sequence[str]
) -> None:
    """Show the result, and notify the channels of actions that were not applied."""
    output.show_result(console, applied.result, applied.plan, style=style, ledger=ledger)
    if applied.diagnostics:
        console.warning(diagnostics.as_text(applied.diagnostics))
    if not applied.result.complete:
        notifications.failed_apply(console, channels, applied.result, ledger=ledger)


async def _carry_out(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    display: RunDisplay,
    ledger_listener: LedgerListener | None,
    telemetry: RunTelemetry,
    approval_options: ApprovalOptions,
) -> Applied:
    """Apply with a display and telemetry."""
    telemetry.set_target(session.desired.target.name, ledger=session.ledger)
    with display:
        return await run_apply(
            session,
            options,
            approval,
            run=telemetry.run,
            ledger_listener=ledger_listener,
            listeners=(display.emit, telemetry.emit),
            confirm=display.confirm,
            stop=display.stop,
            abort_on_error=approval_options.on_error == "abort",
        )


def _run_to_undo(plans: Collection[Plan], *, base: str | None) -> str | None:
    """Return the run that the plans undo; None for plans of files."""
    runs = {plan.run for plan in plans}
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
