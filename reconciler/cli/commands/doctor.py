"""`reconcile doctor`: is everything in place, and if not, what to do."""

import asyncio

import click

from reconciler.cli import signals, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, connection, format_option

UNFIT = 1

_CLEANING_UP = "removing what the probe has created; press Ctrl-C again to leave at once"


@click.command("doctor", cls=Command)
@format_option("text", "json")
@click.option(
    "--probe",
    is_flag=True,
    help="Also create and remove temporary integrations, and record how the API answers",
)
@connection
@click.pass_obj
def command(invocation: Invocation, *, style: str, probe: bool, connection: ReadingOptions) -> int:
    """Check config, key, scopes, paging, clock and ledger.

    Each is ok, warn or fail, with what to do; exits 1 if one fails. Without --probe nothing is sent
    but GET.
    """
    from reconciler.cli.doctor_run import DoctorRun
    from reconciler.doctor.checks import Health
    from reconciler.views import reports
    from reconciler.views.plan_outline import header_of, ledger_state

    async def work(interruption: signals.SignalHandler) -> Health:
        task = asyncio.current_task()

        def clean_up() -> None:
            console.insist(_CLEANING_UP)
            if task is not None:
                task.cancel()

        def announce(left: str) -> None:
            interruption.undone = left or signals.UNFINISHED
            interruption.ask = clean_up if left else None

        return await DoctorRun(invocation, connection, probes=probe, announce=announce).examine()

    console = invocation.console
    health = signals.run(work)
    if style == "json":
        console.data(reports.doctor_json(health))
    else:
        state = wiring.ledger_state(invocation)
        header = header_of(health.target, ledger=state) if health.target else ledger_state(state)
        color, width = console.colors_data, console.width
        console.data(reports.doctor_text(health, header=header, width=width, color=color))
    return 0 if health.is_fit else UNFIT
