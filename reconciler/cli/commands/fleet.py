"""`reconcile fleet plan|apply|drift`: many organisations from fleet.yaml, with one exit code."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from reconciler.cli import fleets, signals
from reconciler.cli.command import Command, Invocation
from reconciler.cli.fleets import FleetRun, LocalEngine, Muster
from reconciler.cli.options import format_option
from reconciler.fleet.orders import Order
from reconciler.fleet.outcome import FleetResult, Verb
from reconciler.fleet.roster import Member

Body = Callable[..., int]

_MUSTER = {
    "file": click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        default=Path("fleet.yaml"),
        show_default=True,
        help="The fleet's members.",
    ),
    "only": click.option("--only", metavar="GLOB", multiple=True, help="Just these members."),
    "exclude": click.option("--exclude", metavar="GLOB", multiple=True, help="Not these members."),
    "resume": click.option("--resume", metavar="RUN", help="Go on with a run that broke off."),
    "parallelism": click.option(
        "--parallelism",
        type=click.IntRange(1, 100),
        metavar="N",
        default=8,
        show_default=True,
        help="Members at a time.",
    ),
    "deadline": click.option(
        "--deadline",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        default=900,
        show_default=True,
        help="When to give up a member.",
    ),
}


def muster(body: Body) -> Body:
    """Add what every command of a fleet is told; the body receives `muster`."""

    @wraps(body)
    def call(*args: Any, **given: Any) -> int:
        made = Muster(**{name: given.pop(name) for name in _MUSTER})
        return body(*args, muster=made, **given)

    decorated: Body = call
    for option in reversed(_MUSTER.values()):
        decorated = option(decorated)
    return decorated


@click.group("fleet")
def command() -> None:
    """Plan, apply or watch many organisations at once.

    fleet.yaml lists the members: folders and targets in them. Each is run on its own; the exit code
    is the worst of all: 130 and 143, then 5, 1, 3, 4, 2, 0.
    """


@command.command("plan", cls=Command)
@format_option("text", "json")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there is something to do.")
@muster
@click.pass_obj
def plan(invocation: Invocation, *, style: str, detailed_exitcode: bool, muster: Muster) -> int:
    """Show which members differ; write nothing."""

    def order(member: Member) -> Order:
        return Order(
            member.name,
            Verb.PLAN,
            deadline=muster.deadline,
            differences_matter=detailed_exitcode,
        )

    return _run(invocation, muster, Verb.PLAN, order, style=style)


@command.command("drift", cls=Command)
@format_option("text", "json")
@muster
@click.pass_obj
def drift(invocation: Invocation, *, style: str, muster: Muster) -> int:
    """Tell which members have moved away from their files; exits 2 if any has."""

    def order(member: Member) -> Order:
        return Order(member.name, Verb.DRIFT, deadline=muster.deadline)

    return _run(invocation, muster, Verb.DRIFT, order, style=style)


@command.command("apply", cls=Command)
@format_option("text", "json")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-ledger", is_flag=True, help="Keep no record of what was done.")
@muster
@click.pass_obj
def apply(invocation: Invocation, *, style: str, yes: bool, no_ledger: bool, muster: Muster) -> int:
    """Make every member's API equal to its files.

    Without --yes all members are planned first, and no more is applied than was shown.
    """
    if not yes:
        invocation.console.require_terminal(otherwise="look at `reconcile fleet plan`, use --yes")

    def order(member: Member) -> Order:
        return Order(member.name, Verb.APPLY, deadline=muster.deadline, keeps_records=not no_ledger)

    return _run(invocation, muster, Verb.APPLY, order, style=style, asks=not yes)


def _run(
    invocation: Invocation,
    muster: Muster,
    verb: Verb,
    order: Callable[[Member], Order],
    *,
    style: str,
    asks: bool = False,
) -> int:
    fleet = fleets.read(muster.file)
    console = invocation.console
    engine = LocalEngine(fleets.crew_of(console, fleet), muster.parallelism)

    async def work(interruption: signals.Interruption) -> tuple[FleetResult, int]:
        run = FleetRun(invocation, muster, engine, fleet, verb=verb)
        result = await run.carry_out(interruption, order, asks=asks)
        return result, interruption.exit_code or result.exit_code

    result, code = signals.run(work)
    fleets.show(console, result, style=style)
    return code
