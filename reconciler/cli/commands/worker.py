"""`reconcile worker`: carry out what Temporal hands over, for the members of fleet.yaml."""

from pathlib import Path

import click

from reconciler.cli import fleet_run, signals
from reconciler.cli.fleet_member import MemberRunner
from reconciler.cli.fleet_options import (
    MemberOptions,
    TemporalOptions,
    file_option,
    meeting,
    parallelism_option,
)
from reconciler.cli.global_options import Invocation
from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.config import Fleet


@click.command("worker", cls=MemberOptions)
@file_option
@parallelism_option
@meeting
@click.pass_obj
def command(
    invocation: Invocation, *, file: Path, parallelism: int, meeting: TemporalOptions
) -> int:
    """Work for a fleet that Temporal directs.

    Reads files, secrets and keys where it runs; what it is told and what it tells are names and
    digests. Runs until Ctrl-C; what it then leaves undone another worker takes over.
    """
    console = invocation.console
    service = meeting.service()
    roster = _Roster(invocation, file)
    roster()  # a file that cannot be read is better known now
    from reconciler.fleet.temporal.worker import Activities, run_worker

    async def work(interruption: signals.SignalHandler) -> int:
        cancel = CancelToken()
        interruption.ask = lambda: cancel.request("interrupted")
        await run_worker(
            service,
            Activities(roster, lambda outcome: fleet_run.announce(console, outcome)),
            parallelism=parallelism,
            cancel=cancel,
            ready=lambda: console.say(
                f"worker ready on queue {service.queue} at {service.address}, "
                f"{parallelism} members at a time"
            ),
        )
        return interruption.exit_code

    return signals.run(work)


class _Roster:
    """Gives fleet.yaml as it is, and reads it again only when it has changed."""

    def __init__(self, invocation: Invocation, file: Path) -> None:
        self._console = invocation.console
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._known: tuple[Fleet, MemberRunner] | None = None

    def __call__(self) -> tuple[Fleet, MemberRunner]:
        """Read the file, or raise what is wrong with it."""
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_size)
        except OSError:
            seen = None
        if self._known is None or seen is None or seen != self._seen:
            fleet = fleet_run.read(self._file)
            self._known = fleet, fleet_run.member_runner(self._console, fleet)
            self._seen = seen
        return self._known
