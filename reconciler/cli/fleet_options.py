"""The options that the commands of a fleet and its workers share."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import settings
from reconciler.cli.console import Console
from reconciler.fleet.config import Fleet, Member
from reconciler.views.escape import visible

if TYPE_CHECKING:
    from reconciler.fleet.temporal.client import TemporalClient
from reconciler.cli.global_options import Command
from reconciler.cli.options import Number, gathered
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput

FILE = Path("fleet.yaml")
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class FleetSelection:
    """Which members of which fleet take part, and how many at a time."""

    file: Path = FILE
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    resume: str | None = None
    parallelism: int = 8
    deadline: float = 900
    engine: str = LOCAL

    def chosen(self, fleet: Fleet) -> list[Member]:
        """Give the members that take part."""
        return [
            member
            for member in fleet.members
            if (not self.only or any(fnmatchcase(member.name, glob) for glob in self.only))
            and not any(fnmatchcase(member.name, glob) for glob in self.exclude)
        ]

    @property
    def repeated(self) -> str:
        """Give the options that another command for the same members has to have."""
        said = [] if self.file == FILE else ["--file", str(self.file)]
        said += [word for glob in self.only for word in ("--only", glob)]
        said += [word for glob in self.exclude for word in ("--exclude", glob)]
        said += [] if self.engine == LOCAL else ["--engine", self.engine]
        return "".join(f" {shlex.quote(visible(word, 300))}" for word in said)


@dataclass(frozen=True, slots=True)
class TemporalOptions:
    """Where Temporal is, as the options say; what they leave open the environment may know."""

    address: str | None = None
    namespace: str | None = None
    queue: str = "reconcile"
    tls: bool = False

    def service(self) -> "TemporalClient":
        """Give the connection, or raise `InvalidInput` where the extra is not installed."""
        try:
            from reconciler.fleet.temporal.client import TemporalClient
        except ImportError:
            problem = error(
                "missing-extra",
                "the engine temporal needs the package temporalio, which is not installed",
                hint="pip install 'portkey-reconciler[temporal]'",
            )
            raise InvalidInput([problem]) from None
        from reconciler.domain.secrets import Redacted

        key = settings.variable("TEMPORAL_API_KEY")
        return TemporalClient(
            address=self.address or settings.variable("TEMPORAL_ADDRESS") or "localhost:7233",
            namespace=self.namespace or settings.variable("TEMPORAL_NAMESPACE") or "default",
            queue=self.queue,
            key=Redacted(key) if key else None,
            tls=self.tls,
        )


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
