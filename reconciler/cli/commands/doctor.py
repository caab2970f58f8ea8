"""`reconcile doctor`: is everything in place, and if not, what to do."""

import click

from reconciler.cli import signals, wiring
from reconciler.cli.command import Command, Invocation
from reconciler.cli.options import Reading, connection, format_option

UNFIT = 1


@click.command("doctor", cls=Command)
@format_option("text", "json")
@click.option(
    "--probe",
    is_flag=True,
    help="Also write and remove one throw-away integration, and note how the API answers.",
)
@connection
@click.pass_obj
def command(invocation: Invocation, *, style: str, probe: bool, connection: Reading) -> int:
    """Check config, key, scopes, paging, clock and ledger.

    Each is ok, warn or fail, with what to do; exits 1 if one fails. Without --probe nothing is sent
    but GET.
    """
    from reconciler.cli.examining import Doctor
    from reconciler.doctor.health import Health
    from reconciler.views import doctor
    from reconciler.views.outline import header_of

    async def work(_interruption: signals.Interruption) -> Health:
        return await Doctor(invocation, connection, probes=probe).examine()

    health = signals.run(work)
    console = invocation.console
    if style == "json":
        console.data(doctor.as_json(health))
    else:
        state = wiring.ledger_state(invocation)
        header = header_of(health.target, ledger=state) if health.target else f"ledger {state}"
        color, width = console.colors_data, console.width
        console.data(doctor.as_text(health, header=header, width=width, color=color))
    return 0 if health.is_fit else UNFIT
