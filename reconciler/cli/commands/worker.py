"""`reconcile worker`: run the tasks of a fleet that Temporal distributes."""

from pathlib import Path

import click

from reconciler.cli import fleet_run, signals
from reconciler.cli.fleet_member import MemberRunner
from reconciler.cli.fleet_options import (
    MemberOptions,
    TemporalOptions,
    file_option,
    parallelism_option,
    temporal,
)
from reconciler.cli.global_options import Invocation
from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.config import Fleet


@click.command("worker", cls=MemberOptions)
@file_option
@parallelism_option
@temporal
@click.pass_obj
def command(
    invocation: Invocation, *, file: Path, parallelism: int, temporal: TemporalOptions
) -> int:
    """Run a Temporal worker for a fleet.

    The worker reads files, secrets and API keys on its own machine; only names and digests are
    exchanged with Temporal. It runs until Ctrl-C; another worker then takes over its tasks.
    """
    console = invocation.console
    service = temporal.service()
    fleet_file = _FleetFile(invocation, file)
    fleet_file()  # reports mistakes in the file before the worker starts
    from reconciler.fleet.temporal.worker import Activities, run_worker

    async def work(handler: signals.SignalHandler) -> int:
        cancel = CancelToken()
        handler.on_signal = lambda: cancel.request("interrupted")
        await run_worker(
            service,
            Activities(fleet_file, lambda outcome: fleet_run.announce(console, outcome)),
            parallelism=parallelism,
            cancel=cancel,
            ready=lambda: console.info(
                f"worker ready on queue {service.queue} at {service.address}, "
                f"up to {parallelism} members at the same time"
            ),
        )
        return handler.exit_code

    return signals.run(work)


class _FleetFile:
    """The current fleet.yaml, read again only after it has changed."""

    def __init__(self, invocation: Invocation, file: Path) -> None:
        self._console = invocation.console
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._known: tuple[Fleet, MemberRunner] | None = None

    def __call__(self) -> tuple[Fleet, MemberRunner]:
        """Return the fleet; raise `InvalidInput` for a file with mistakes."""
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
