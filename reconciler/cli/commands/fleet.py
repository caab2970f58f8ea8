"""`reconcile fleet plan|apply|drift`: many organisations from fleet.yaml, with one exit code."""

from pathlib import Path

import click

from reconciler.cli import fleet_run, signals
from reconciler.cli.console import Console
from reconciler.cli.fleet_options import (
    FleetSelection,
    MemberOptions,
    TemporalOptions,
    meeting,
    muster,
)
from reconciler.cli.fleet_run import Engine, FleetRun, LocalEngine
from reconciler.cli.global_options import Invocation
from reconciler.cli.options import format_option, metrics_file
from reconciler.cli.telemetry import RunTelemetry
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.fleet.config import Fleet
from reconciler.fleet.metrics import figures_of
from reconciler.fleet.outcome import FleetOperation, FleetResult
from reconciler.fleet.task import MemberTask

OFF = "off"


class FleetTelemetry(RunTelemetry):
    """Keeps the figures of a fleet; `result` is set once there is one."""

    def __init__(
        self, invocation: Invocation, verb: FleetOperation, metrics_file: Path | None
    ) -> None:
        super().__init__(
            invocation, command=f"fleet {verb.value}", run="", metrics_file=metrics_file
        )
        self.result: FleetResult | None = None

    def text(self) -> str:
        """Write the figures of all members."""
        return figures_of(self.figures, self.result)


class Verbs(click.Group):
    """A group that, asked for nothing, shows its help as bad input."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(3)
        return super().parse_args(ctx, args)


@click.group("fleet", cls=Verbs)
def command() -> None:
    """Plan, apply or watch many organisations at once.

    fleet.yaml lists the members: folders and targets in them. Each is run on its own; the exit code
    is the worst of all: 130 and 143, then 5, 1, 3, 4, 2, 0.
    """


@command.command("plan", cls=MemberOptions)
@format_option("text", "json")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there is something to do.")
@metrics_file
@muster
@meeting
@click.pass_obj
def plan(
    invocation: Invocation,
    *,
    style: str,
    detailed_exitcode: bool,
    metrics_file: Path | None,
    muster: FleetSelection,
    meeting: TemporalOptions,
) -> int:
    """Show which members differ; write nothing."""
    order = MemberTask(
        "", FleetOperation.PLAN, deadline=muster.deadline, differences_matter=detailed_exitcode
    )
    with FleetTelemetry(invocation, order.operation, metrics_file) as seen:
        return _run(seen, muster, meeting, order, style=style)


@command.command("drift", cls=MemberOptions)
@format_option("text", "json")
@click.option(
    "--schedule",
    metavar="CRON",
    help="Have it done again and again by Temporal; `off` ends that.",
)
@metrics_file
@muster
@meeting
@click.pass_obj
def drift(
    invocation: Invocation,
    *,
    style: str,
    schedule: str | None,
    metrics_file: Path | None,
    muster: FleetSelection,
    meeting: TemporalOptions,
) -> int:
    """Tell which members have moved away from their files; exits 2 if any has."""
    if schedule is not None:
        _only_for_temporal(muster, "--schedule")
        return _schedule(invocation.console, muster, meeting, schedule)
    order = MemberTask("", FleetOperation.DRIFT, deadline=muster.deadline)
    with FleetTelemetry(invocation, order.operation, metrics_file) as seen:
        return _run(seen, muster, meeting, order, style=style)


@command.command("apply", cls=MemberOptions)
@format_option("text", "json")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-ledger", is_flag=True, help="Keep no record of what was done.")
@click.option(
    "--await-approval",
    is_flag=True,
    help="Let each plan wait in Temporal for the signal `approve` with its digest.",
)
@metrics_file
@muster
@meeting
@click.pass_obj
def apply(
    invocation: Invocation,
    *,
    style: str,
    yes: bool,
    no_ledger: bool,
    await_approval: bool,
    metrics_file: Path | None,
    muster: FleetSelection,
    meeting: TemporalOptions,
) -> int:
    """Make every member's API equal to its files.

    Without --yes all members are planned first, and no more is applied than was shown.
    """
    if await_approval:
        _only_for_temporal(muster, "--await-approval")
    asks = not (yes or await_approval)
    if asks:
        invocation.console.require_terminal(otherwise=fleet_run.OTHERWISE)
    order = MemberTask(
        "", FleetOperation.APPLY, deadline=muster.deadline, keeps_records=not no_ledger
    )
    waits = await_approval and not yes
    with FleetTelemetry(invocation, order.operation, metrics_file) as seen:
        return _run(seen, muster, meeting, order, style=style, asks=asks, waits=waits)


def _run(
    seen: FleetTelemetry,
    muster: FleetSelection,
    meeting: TemporalOptions,
    order: MemberTask,
    *,
    style: str,
    asks: bool = False,
    waits: bool = False,
) -> int:
    fleet = fleet_run.read(muster.file)
    console = seen.invocation.console
    engine = _engine(console, muster, meeting, fleet, waits=waits)

    async def work(interruption: signals.SignalHandler) -> tuple[FleetResult, int]:
        run = FleetRun(console, muster, engine, fleet, order)
        result = await run.carry_out(interruption, asks=asks)
        return result, interruption.exit_code or result.exit_code

    result, code = signals.run(work)
    seen.result = result
    fleet_run.show(console, result, muster=muster, style=style)
    return seen.ends(code)


def _engine(
    console: Console, muster: FleetSelection, meeting: TemporalOptions, fleet: Fleet, *, waits: bool
) -> Engine:
    if muster.engine == "local":
        return LocalEngine(fleet_run.member_runner(console, fleet), muster.parallelism)
    service = meeting.service()
    from reconciler.fleet.temporal.engine import TemporalEngine

    return TemporalEngine(service, fleet.digest, console.insist, await_approval=waits)


def _schedule(console: Console, muster: FleetSelection, meeting: TemporalOptions, cron: str) -> int:
    members = [member.name for member in muster.chosen(fleet_run.read(muster.file))]
    service = meeting.service()
    from reconciler.fleet.temporal import messages, schedules

    tasks = [
        messages.workflow_input(
            MemberTask(name, FleetOperation.DRIFT, deadline=muster.deadline), fleet=""
        )
        for name in members
    ]

    async def work(_interruption: signals.SignalHandler) -> None:
        if cron == OFF:
            await schedules.unschedule(service, members)
        else:
            await schedules.schedule(service, tasks, cron=cron)

    signals.run(work)
    done = "no longer scheduled" if cron == OFF else f"scheduled: {cron}"
    console.say(f"drift of {len(members)} members is {done}")
    return 0


def _only_for_temporal(muster: FleetSelection, option: str) -> None:
    if muster.engine != "temporal":
        hint = "add --engine temporal, or leave it out"
        problem = error("usage", f"{option} needs --engine temporal", hint=hint)
        raise InvalidInput([problem])
