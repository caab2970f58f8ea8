"""The options that the commands of a fleet and its workers share."""

from collections.abc import Collection
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.fleet_run import FILE, FleetSelection, TemporalOptions
from reconciler.cli.global_options import Command
from reconciler.cli.options import Number, gathered
from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput


class MemberOptions(Command):
    """A command whose folders and targets stand in fleet.yaml, one or more for each member."""

    def heed(self, console: Console, typed: Collection[str]) -> None:
        """Refuse `--target`; a `--dir`, which scripts give to every command, changes nothing."""
        if "target" in typed:
            hint = "targets stand in fleet.yaml; `fleet --only GLOB` chooses members by their names"
            raise InvalidInput([error("usage", "--target has no say in a fleet", hint=hint)])
        if "dir" in typed:
            console.say("--dir has no say in a fleet: the folders stand in fleet.yaml")


file_option = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    default=FILE,
    show_default=True,
    help="The fleet's members.",
)
parallelism_option = click.option(
    "--parallelism",
    type=click.IntRange(1, 100),
    metavar="N",
    default=8,
    show_default=True,
    help="Members at a time.",
)
_MUSTER = {
    "file": file_option,
    "only": click.option("--only", metavar="GLOB", multiple=True, help="Just these members."),
    "exclude": click.option("--exclude", metavar="GLOB", multiple=True, help="Not these members."),
    "resume": click.option("--resume", metavar="RUN", help="Go on with a run that broke off."),
    "parallelism": parallelism_option,
    "deadline": click.option(
        "--deadline",
        type=Number(0, min_open=True),
        metavar="SECONDS",
        default=900,
        show_default=True,
        help="When to give up a member.",
    ),
    "engine": click.option(
        "--engine",
        type=click.Choice(["local", "temporal"]),
        default="local",
        show_default=True,
        help="This machine, or the workers that Temporal knows (extra `temporal`).",
    ),
}
_MEETING = {
    "address": click.option(
        "--address", metavar="HOST:PORT", help="Temporal. [default: localhost:7233]"
    ),
    "namespace": click.option(
        "--namespace", metavar="NAME", help="Its namespace. [default: default]"
    ),
    "queue": click.option(
        "--queue",
        metavar="NAME",
        default="reconcile",
        show_default=True,
        help="Where callers and workers of a fleet meet.",
    ),
    "tls": click.option("--tls", is_flag=True, help="Speak to Temporal encrypted."),
}


muster = gathered("muster", FleetSelection, **_MUSTER)
"""Adds who takes part and how; the body receives `muster`."""

meeting = gathered("meeting", TemporalOptions, **_MEETING)
"""Adds where Temporal is; the body receives `meeting`."""
