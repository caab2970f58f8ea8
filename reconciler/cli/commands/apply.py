"""`reconcile apply`: plan afresh, ask, carry out, tell what became of it."""

from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import output, signals, wiring
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import Consent, Reading, consent, format_option, planning, reading
from reconciler.cli.run_display import RunDisplay
from reconciler.execution.approval import Approval
from reconciler.execution.events import to_all
from reconciler.execution.recording import Books
from reconciler.execution.stopping import Stop
from reconciler.planning import codec
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan
from reconciler.workflows import Applied, Session

INCOMPLETE = 5


@click.command("apply", cls=Command)
@click.argument("plans", nargs=-1, type=click.Path(path_type=Path))
@format_option("text", "json")
@consent
@planning
@reading
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    plans: tuple[Path, ...],
    style: str,
    consent: Consent,
    options: PlanOptions,
    reading: Reading,
) -> int:
    """Make the API equal to the files.

    With saved PLANS, no more is done than they contain.
    """
    approval = Approval(
        digest=consent.expect_digest,
        plans=tuple(_read_plan(path) for path in plans),
        assumed=consent.yes,
    )

    async def work(interruption: signals.Interruption) -> int:
        name = wiring.new_run()
        async with wiring.run(
            invocation,
            reading,
            selection=options.selection,
            name=name,
            keeps_records=not consent.no_ledger,
        ) as (session, books):
            display = RunDisplay(
                invocation.console, interruption, Stop(), style=style, ledger=session.ledger
            )
            applied = await _carry_out(
                session, options, approval, display=display, books=books, name=name, consent=consent
            )
        output.show_result(
            invocation.console, applied.result, applied.plan, style=style, ledger=session.ledger
        )
        return interruption.exit_code or (0 if applied.result.complete else INCOMPLETE)

    return signals.run(work)


async def _carry_out(
    session: Session,
    options: PlanOptions,
    approval: Approval,
    *,
    display: RunDisplay,
    books: Books | None,
    name: str,
    consent: Consent,
) -> Applied:
    """Apply while the display shows it and the books take it down."""
    with display:
        applied = await workflows.apply(
            session,
            options,
            approval=approval,
            confirm=display.confirm,
            emit=to_all(books.emit, display.emit) if books else display.emit,
            run=name,
            stop=display.stop,
            abort_on_error=consent.on_error == "abort",
        )
    if books is not None:
        books.close(
            applied.plan,
            desired=session.desired,
            observed=applied.observed,
            selection=options.selection,
            organisation=applied.organisation_id,
        )
    return applied


def _read_plan(path: Path) -> Plan:
    return codec.decode(output.read(path, limit=codec.MAX_PLAN_BYTES), name=str(path))
