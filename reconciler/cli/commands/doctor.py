"""`reconcile doctor`: check the setup, with a hint for each problem."""

import asyncio
from typing import TYPE_CHECKING

import click

from reconciler.cli import completion_values, signals, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, connection, format_option

if TYPE_CHECKING:
    from reconciler.doctor.checks import Health

UNFIT = 1

_CLEANING_UP = "removing what the probe created; press Ctrl-C again to stop immediately"


@click.command("doctor", cls=Command)
@format_option("text", "json")
@click.option(
    "--probe",
    is_flag=True,
    help="Also create and remove temporary integrations, and record how the API responds",
)
@click.option(
    "--environment",
    shell_complete=completion_values.environments,
    metavar="NAME",
    help="GitHub environment to check, with NAME-read and NAME-plan  [default: the target's name]",
)
@connection
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    style: str,
    probe: bool,
    environment: str | None,
    connection: ReadingOptions,
) -> int:
    """Check configuration, API key, scopes, pagination, clock and ledger.

    The requirements of optional settings of the target are also checked: policies, change windows,
    the catalogue, the probe of credentials, usage and the source of a promotion.

    If GITHUB_REPOSITORY and GITHUB_TOKEN are set, the environments of the workflows are also
    checked: only the default branch may receive the secrets of NAME and NAME-read.

    Each check is ok, warn or fail, with a hint; the exit code is 1 if any check fails. Without
    --probe, only GET requests are sent. Commands of policies and probes are not run.
    """
    from reconciler.cli.doctor_run import DoctorRun

    async def work(handler: signals.SignalHandler) -> "Health":
        task = asyncio.current_task()

        def clean_up() -> None:
            console.warning(_CLEANING_UP)
            if task is not None:
                task.cancel()

        def announce(left: str) -> None:
            handler.if_interrupted = left or signals.UNFINISHED
            handler.on_signal = clean_up if left else None

        run = DoctorRun(
            invocation,
            connection,
            probes=probe,
            announce=announce,
            github_environment=environment,
        )
        async with invocation.console.show_status(verb="checking"):
            return await run.run()

    console = invocation.console
    health = signals.run(work)
    _show(invocation, health, style)
    return 0 if health.is_fit else UNFIT


def _show(invocation: Invocation, health: "Health", style: str) -> None:
    from reconciler.views import reports
    from reconciler.views.plan_outline import header_of, ledger_state

    console = invocation.console
    if style == "json":
        console.data(reports.doctor_json(health))
        return
    state = wiring.ledger_state(invocation)
    header = header_of(health.target, ledger=state) if health.target else ledger_state(state)
    color, width = console.colors_stdout, console.stdout_width
    console.data(reports.doctor_text(health, header=header, width=width, color=color))
