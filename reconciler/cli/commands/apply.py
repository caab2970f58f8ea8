"""`reconcile apply`: plan afresh, ask, carry out, tell what became of it."""

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
from reconciler.cli.apply_run import RunDisplay, carry_out
from reconciler.cli.console import Console
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import (
    ApprovalOptions,
    ReadingOptions,
    consent,
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
    help="Tell this channel, too, if anything is not applied (extra `notify`); may be repeated.",
)
@consent
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
    consent: ApprovalOptions,
    metrics_file: Path | None,
    options: PlanOptions,
    reading: ReadingOptions,
) -> int:
    """Make the API equal to the files.

    With saved PLANS, no more is done than they contain. The plan of an undo takes back its run.
    """
    notifications.check(notify)
    saved = tuple(_read_plan(path) for path in plans)
    approval = Approval(digest=consent.expect_digest, plans=saved, assumed=consent.yes)
    undoes = _run_to_undo(saved, base=reading.base)
    run = wiring.new_run()
    seen = RunTelemetry(invocation, command="apply", run=run, metrics_file=metrics_file)

    async def work(interruption: signals.SignalHandler) -> int:
        source = None
        if undoes:
            source = await in_thread(partial(UndoSource, invocation, undoes))
        asked = source.options(options) if source else options
        async with wiring.run(
            seen.invocation,
            reading,
            selection=asked.selection,
            name=seen.run,
            keeps_records=not consent.no_ledger,
            source=source,
            allow_older_commit=consent.allow_older_commit,
        ) as (session, books):
            display = RunDisplay(
                invocation.console, interruption, CancelToken(), style=style, ledger=session.ledger
            )
            applied = await _carry_out(
                session, asked, approval, display=display, books=books, seen=seen, consent=consent
            )
        seen.recorded(applied.result)
        _report(invocation.console, applied, style=style, ledger=session.ledger, channels=notify)
        # A result that did not arrive must not look like a run that never wrote.
        told = invocation.console.lost is None
        code = exit_codes.of_result(applied.result) if told else exit_codes.INCOMPLETE
        return interruption.exit_code or code

    with seen, command_context.suggesting_commands(invocation, plans):
        return seen.ends(signals.run(work, undone="nothing was written"))


def _report(
    console: Console, applied: Applied, *, style: str, ledger: str, channels: Sequence[str]
) -> None:
    """Show the result, and tell the channels what was not done."""
    output.show_result(console, applied.result, applied.plan, style=style, ledger=ledger)
    if applied.diagnostics:
        console.insist(diagnostics.as_text(applied.diagnostics))
    if not applied.result.complete:
        notifications.failed_apply(console, channels, applied.result, ledger=ledger)


async def _carry_out(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    display: RunDisplay,
    books: LedgerListener | None,
    seen: RunTelemetry,
    consent: ApprovalOptions,
) -> Applied:
    """Apply while the display shows it and the watch observes it."""
    seen.opened(session.desired.target.name, ledger=session.ledger)
    with display:
        return await carry_out(
            session,
            options,
            approval,
            run=seen.run,
            books=books,
            listeners=(display.emit, seen.emit),
            confirm=display.confirm,
            stop=display.stop,
            abort_on_error=consent.on_error == "abort",
        )


def _run_to_undo(plans: Collection[Plan], *, base: str | None) -> str | None:
    """Give the run that the plans take back; None for plans that come from files."""
    runs = {plan.run for plan in plans}
    if runs <= {None}:
        return None
    if len(runs) > 1 or base is not None:
        hint = "hand over one undo plan alone, without --base"
        raise InvalidInput([error("undo-alone", "an undo has nothing to do with files", hint=hint)])
    return runs.pop()


def _read_plan(path: Path) -> Plan:
    return codec.decode(output.read(path, limit=codec.MAX_PLAN_BYTES), name=str(path))
