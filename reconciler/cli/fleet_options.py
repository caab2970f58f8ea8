"""Options that the commands of a fleet and its workers share, with their values."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import completion_values, settings
from reconciler.cli.console import Console
from reconciler.fleet.config import Fleet, Member
from reconciler.fleet.task import MemberOverrides
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.fleet.temporal.client import TemporalClient
from reconciler.cli.global_options import Command
from reconciler.cli.options import ALLOWED_EFFECTS, OVERRIDES, Number, grouped
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput

FILE = Path("fleet.yaml")
LOCAL = "local"
QUEUE = "reconcile"


@dataclass(frozen=True, slots=True)
class FleetSelection:
    """Selected members of a fleet, and how they are run."""

    file: Path = FILE
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    resume: str | None = None
    parallelism: int = 8
    deadline: float = 900
    engine: str = LOCAL

    def members_of(self, fleet: Fleet) -> list[Member]:
        """Return the selected members."""
        return [
            member
            for member in fleet.members
            # `fnmatch` would ignore case on some systems, but names are compared exactly.
            if (not self.only or any(fnmatchcase(member.name, glob) for glob in self.only))
            and not any(fnmatchcase(member.name, glob) for glob in self.exclude)
        ]

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options with which another command selects the same members."""
        words: list[str] = []
        if self.file != FILE:
            words += ["--file", str(self.file)]
        for glob in self.only:
            words += ["--only", glob]
        for glob in self.exclude:
            words += ["--exclude", glob]
        if self.engine != LOCAL:
            words += ["--engine", self.engine]
        return tuple(words)


@dataclass(frozen=True, slots=True)
class TemporalOptions:
    """Connection options of Temporal; the environment supplies those that are not given."""

    address: str | None = None
    namespace: str | None = None
    queue: str = QUEUE
    tls: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options with which another command connects to the same Temporal."""
        words: list[str] = []
        if self.address is not None:
            words += ["--address", self.address]
        if self.namespace is not None:
            words += ["--namespace", self.namespace]
        if self.queue != QUEUE:
            words += ["--queue", self.queue]
        if self.tls:
            words.append("--tls")
        return tuple(words)

    def service(self) -> "TemporalClient":
        """Return the client, or raise `InvalidInput` if the extra is not installed."""
        try:
            from reconciler.fleet.temporal.client import TemporalClient
        except ImportError:
            problem = error(
                "missing-extra",
                "--engine temporal needs the package temporalio, which is not installed",
                hint="run `pip install 'portkey-reconciler[temporal]'`",
            )
            raise InvalidInput([problem]) from None
        from reconciler.domain.secrets import Redacted

        # The variables that Temporal's own command line reads.
        key = settings.variable("TEMPORAL_API_KEY")
        return TemporalClient(
            address=self.address or settings.variable("TEMPORAL_ADDRESS") or "localhost:7233",
            namespace=self.namespace or settings.variable("TEMPORAL_NAMESPACE") or "default",
            queue=self.queue,
            key=Redacted(key) if key else None,
            tls=self.tls,
        )


def unmatched_globs(globs: Iterable[str], names: Collection[str]) -> list[str]:
    """Return the patterns that match none of these names."""
    return [glob for glob in globs if not any(fnmatchcase(name, glob) for name in names)]


def fail_on_words(gates: Iterable[str]) -> tuple[str, ...]:
    """Return the options with which another command has the same gates for models."""
    return tuple(f"--fail-on={gate}" for gate in gates)


def override_words(overrides: MemberOverrides) -> tuple[str, ...]:
    """Return the options with which another command has the same overrides."""
    words: list[str] = []
    for name in (*ALLOWED_EFFECTS, *OVERRIDES):
        value = getattr(overrides, name)
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, str):
            # One word, because a reason can begin with a hyphen.
            words.append(f"{option}={value}")
        elif value:
            words.append(option)
    return tuple(words)


class MemberOptions(Command):
    """Command whose folders and targets are listed in fleet.yaml."""

    def check_global_options(self, console: Console, typed: Collection[str]) -> None:
        """Refuse `--target`; ignore `--dir`, which scripts pass to every command."""
        # A target would apply to every member, contrary to fleet.yaml.
        if "target" in typed:
            command = "worker" if self.name == "worker" else "fleet"
            hint = (
                "name the targets in fleet.yaml; select members with `reconcile fleet --only GLOB`"
            )
            raise InvalidInput(
                [error("usage", f"--target cannot be used with `{command}`", hint=hint)]
            )
        if "dir" in typed:
            console.info("--dir is ignored: fleet.yaml names the folders")


file_option = click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    default=FILE,
    show_default=True,
    help="File that lists the fleet's members",
)
parallelism_option = click.option(
    "--parallelism",
    type=click.IntRange(1, 100),
    metavar="N",
    default=8,
    show_default=True,
    help="Maximum number of members processed at the same time",
)
_SELECTION = {
    "file": file_option,
    "only": click.option(
        "--only",
        metavar="GLOB",
        multiple=True,
        shell_complete=completion_values.members,
        help="Include only members whose names match; repeatable",
    ),
    "exclude": click.option(
        "--exclude",
        metavar="GLOB",
        multiple=True,
        shell_complete=completion_values.members,
        help="Exclude members whose names match; repeatable",
    ),
    "resume": click.option("--resume", metavar="RUN", help="Resume an interrupted run"),
    "parallelism": parallelism_option,
    "deadline": click.option(
        "--deadline",
        type=Number(0, min_open=True),
        metavar="SECONDS",
        default=900,
        show_default=True,
        help="Timeout for each member, in seconds",
    ),
    "engine": click.option(
        "--engine",
        type=click.Choice(["local", "temporal"]),
        default="local",
        show_default=True,
        help="Run on this machine or on Temporal workers (needs the extra `temporal`)",
    ),
}
_TEMPORAL = {
    "address": click.option(
        "--address",
        metavar="HOST:PORT",
        help="Address of the Temporal server  [default: localhost:7233]",
    ),
    "namespace": click.option(
        "--namespace", metavar="NAME", help="Temporal namespace  [default: default]"
    ),
    "queue": click.option(
        "--queue",
        metavar="NAME",
        default=QUEUE,
        show_default=True,
        help="Temporal task queue shared by callers and workers",
    ),
    "tls": click.option("--tls", is_flag=True, help="Connect to Temporal over TLS"),
}


selection = grouped("selection", FleetSelection, **_SELECTION)
"""Add the options that select members; the body receives `selection`."""

allowed_effects = grouped("overrides", MemberOverrides, **ALLOWED_EFFECTS)
"""Add the options that override guards; the body receives `overrides`."""

overrides = grouped("overrides", MemberOverrides, **ALLOWED_EFFECTS, **OVERRIDES)
"""Also add the options for the time of an apply and for its probe; the body receives `overrides`.
"""

temporal = grouped("temporal", TemporalOptions, **_TEMPORAL)
"""Add the options of Temporal; the body receives `temporal`."""
