"""`reconcile fleet plan|apply|drift`: run the members of fleet.yaml, with one exit code."""

from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli import exit_codes, fleet_run, signals
from reconciler.cli.console import Console
from reconciler.cli.fleet_options import (
    LOCAL,
    FleetSelection,
    MemberOptions,
    TemporalOptions,
    allowed_effects,
    fail_on_words,
    override_words,
    overrides,
    selection,
    temporal,
)
from reconciler.cli.fleet_run import Engine, FleetRun, LocalEngine
from reconciler.cli.global_options import CommandGroup, Invocation
from reconciler.cli.model_gate import FailOn, fail_on_option
from reconciler.cli.options import format_option, metrics_file
from reconciler.cli.telemetry import RunTelemetry
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.fleet.config import Fleet
from reconciler.fleet.metrics import figures_of
from reconciler.fleet.outcome import FleetOperation, FleetResult, worst_exit_code
from reconciler.fleet.table import DETAILED_EXITCODE
from reconciler.fleet.task import MemberOverrides, MemberTask

OFF = "off"


class FleetTelemetry(RunTelemetry):
    """Telemetry of a fleet, whose members have separate telemetry; `result` is set at the end."""

    def __init__(
        self, invocation: Invocation, verb: FleetOperation, metrics_file: Path | None
    ) -> None:
        super().__init__(
            invocation, command=f"fleet {verb.value}", run="", metrics_file=metrics_file
        )
        self.result: FleetResult | None = None

    def text(self) -> str:
        """Return the metrics of all members."""
        return figures_of(self.figures, self.result)


@click.group("fleet", cls=CommandGroup)
def command() -> None:
    """Plan, apply or check drift for many organisations.

    fleet.yaml lists the members, each a folder and a target in it. Each member is run separately.
    The exit code is the worst of all members, in the order 130 and 143, 5, 1, 3, 4, 2, 0.
    """


@command.command("plan", cls=MemberOptions)
@format_option("text", "json")
@click.option(DETAILED_EXITCODE, is_flag=True, help="Exit with code 2 if there are changes")
@allowed_effects
@fail_on_option
@metrics_file
@selection
@temporal
@click.pass_obj
def plan(
    invocation: Invocation,
    *,
    style: str,
    detailed_exitcode: bool,
    overrides: MemberOverrides,
    fail_on: tuple[FailOn, ...],
    metrics_file: Path | None,
    selection: FleetSelection,
    temporal: TemporalOptions,
) -> int:
    """Show the changes of each member, without making them."""
    task = MemberTask(
        "",
        FleetOperation.PLAN,
        deadline=selection.deadline,
        differences_matter=detailed_exitcode,
        overrides=overrides,
        fail_on=tuple(map(str, fail_on)),
    )
    with FleetTelemetry(invocation, task.operation, metrics_file) as telemetry:
        return _run(telemetry, selection, temporal, task, style=style)


@command.command("drift", cls=MemberOptions)
@format_option("text", "json")
@click.option(
    "--schedule",
    metavar="CRON",
    help="Schedule the check in Temporal with this cron expression; `off` removes the schedule",
)
@fail_on_option
@metrics_file
@selection
@temporal
@click.pass_obj
def drift(
    invocation: Invocation,
    *,
    style: str,
    schedule: str | None,
    fail_on: tuple[FailOn, ...],
    metrics_file: Path | None,
    selection: FleetSelection,
    temporal: TemporalOptions,
) -> int:
    """Report which members differ from their files; the exit code is 2 if any does."""
    task = MemberTask(
        "",
        FleetOperation.DRIFT,
        deadline=selection.deadline,
        fail_on=tuple(map(str, fail_on)),
    )
    if schedule is not None:
        _only_for_temporal(selection, "--schedule")
        return _schedule(invocation.console, selection, temporal, task, cron=schedule)
    with FleetTelemetry(invocation, task.operation, metrics_file) as telemetry:
        return _run(telemetry, selection, temporal, task, style=style)


@command.command("apply", cls=MemberOptions)
@format_option("text", "json")
@click.option("--yes", is_flag=True, help="Apply without asking for confirmation")
@click.option("--no-ledger", is_flag=True, help="Do not record the runs in the ledger")
@click.option(
    "--await-approval",
    is_flag=True,
    help="Wait in Temporal for the signal `approve` with the digest of each plan",
)
@overrides
@metrics_file
@selection
@temporal
@click.pass_obj
def apply(
    invocation: Invocation,
    *,
    style: str,
    yes: bool,
    no_ledger: bool,
    await_approval: bool,
    overrides: MemberOverrides,
    metrics_file: Path | None,
    selection: FleetSelection,
    temporal: TemporalOptions,
) -> int:
    """Make the API of each member match its files.

    Without --yes, all members are planned first, and only the changes shown are applied.
    """
    if overrides.probe and no_ledger:
        raise click.UsageError(
            "--probe cannot be used with --no-ledger, because the ledger records which "
            "credentials work"
        )
    if await_approval:
        _only_for_temporal(selection, "--await-approval")
    # With --await-approval the plan is confirmed in Temporal, not here.
    asks = not (yes or await_approval)
    if asks:
        # Checked first, so that minutes of planning do not end in a prompt without a terminal.
        invocation.console.require_terminal(hint=fleet_run.CONFIRM_HINT)
    task = MemberTask(
        "",
        FleetOperation.APPLY,
        deadline=selection.deadline,
        keeps_records=not no_ledger,
        overrides=overrides,
    )
    waits = await_approval and not yes
    with FleetTelemetry(invocation, task.operation, metrics_file) as telemetry:
        return _run(telemetry, selection, temporal, task, style=style, asks=asks, waits=waits)


def _run(
    telemetry: FleetTelemetry,
    selection: FleetSelection,
    temporal: TemporalOptions,
    task: MemberTask,
    *,
    style: str,
    asks: bool = False,
    waits: bool = False,
) -> int:
    fleet = fleet_run.read(selection.file)
    console = telemetry.invocation.console
    engine = _engine(console, selection, temporal, fleet, waits=waits)
    options = selection.options + override_words(task.overrides) + fail_on_words(task.fail_on)
    if task.differences_matter:
        options += (DETAILED_EXITCODE,)
    # A suggested command for local runs must not contain options that only Temporal has.
    if selection.engine != LOCAL:
        options += temporal.options

    async def work(handler: signals.SignalHandler) -> tuple[FleetResult, bool]:
        run = FleetRun(console, selection, engine, fleet, task)
        return await run.run(handler, asks=asks), run.can_resume

    result, can_resume = signals.run(work)
    telemetry.result = result
    fleet_run.show(console, result, options=options, style=style, can_resume=can_resume)
    codes = [result.exit_code]
    if console.lost is not None and task.operation is FleetOperation.APPLY:
        # If printing the result fails, the run must not look as if it wrote nothing.
        codes.append(exit_codes.INCOMPLETE)
    return telemetry.finish(worst_exit_code(codes))


def _engine(
    console: Console,
    selection: FleetSelection,
    temporal: TemporalOptions,
    fleet: Fleet,
    *,
    waits: bool,
) -> Engine:
    if selection.engine == LOCAL:
        return LocalEngine(fleet_run.member_runner(console, fleet), selection.parallelism)
    # Before the import below, because it reports a missing extra as an error with a hint.
    service = temporal.service()
    from reconciler.fleet.temporal.engine import TemporalEngine

    return TemporalEngine(service, fleet.digest, console.warning, await_approval=waits)


def _schedule(
    console: Console,
    selection: FleetSelection,
    temporal: TemporalOptions,
    task: MemberTask,
    *,
    cron: str,
) -> int:
    members = [member.name for member in selection.members_of(fleet_run.read(selection.file))]
    service = temporal.service()
    from reconciler.fleet.temporal import messages, schedules

    tasks = [
        # Without the digest of fleet.yaml, which will change while the schedule stays.
        messages.workflow_input(replace(task, member=name), fleet="")
        for name in members
    ]

    async def work(_handler: signals.SignalHandler) -> None:
        if cron == OFF:
            await schedules.unschedule(service, members)
        else:
            await schedules.schedule(service, tasks, cron=cron)

    signals.run(work)
    done = "no longer scheduled" if cron == OFF else f"scheduled: {cron}"
    console.info(f"drift of {len(members)} members is {done}")
    return 0


def _only_for_temporal(selection: FleetSelection, option: str) -> None:
    if selection.engine != "temporal":
        hint = "add --engine temporal or omit the option"
        problem = error("usage", f"{option} needs --engine temporal", hint=hint)
        raise InvalidInput([problem])
