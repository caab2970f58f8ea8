"""`reconcile apply`: plan afresh, ask, carry out, tell what became of it."""

from pathlib import Path

import click

from reconciler import workflows
from reconciler.cli import output, signals, wiring
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import Consent, Reading, consent, format_option, planning, reading
from reconciler.cli.run_display import RunDisplay
from reconciler.execution.approval import Approval
from reconciler.execution.stopping import Stop
from reconciler.planning import codec
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import Plan

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
    console = invocation.console

    async def work(interruption: signals.Interruption) -> int:
        stop = Stop()
        display = RunDisplay(console, interruption, stop, style=style, ledger=wiring.LEDGER)
        async with wiring.session(
            invocation, reading, selection=options.selection, writes=True
        ) as session:
            with display:
                applied = await workflows.apply(
                    session,
                    options,
                    approval=approval,
                    confirm=display.confirm,
                    emit=display.emit,
                    run=wiring.new_run(),
                    stop=stop,
                    abort_on_error=consent.on_error == "abort",
                )
        output.show_result(console, applied.result, applied.plan, style=style, ledger=wiring.LEDGER)
        return interruption.exit_code or (0 if applied.result.complete else INCOMPLETE)

    return signals.run(work)


def _read_plan(path: Path) -> Plan:
    return codec.decode(output.read(path, limit=codec.MAX_PLAN_BYTES), name=str(path))
