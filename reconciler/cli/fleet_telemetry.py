"""Observe one run of a fleet from outside; its members' runs have watches of their own."""

from pathlib import Path

from reconciler.cli.global_options import Invocation
from reconciler.cli.telemetry import RunTelemetry
from reconciler.fleet.metrics import figures_of
from reconciler.fleet.outcome import FleetOperation, FleetResult


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
