"""The composition root: the only place that knows every part and puts them together."""

from uuid import uuid4

from reconciler.cli import settings
from reconciler.simulator.serving import Clockwork


def clockwork() -> Clockwork:
    """Give the simulator its clock and its ids."""
    return Clockwork(
        now=lambda: settings.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        new_id=lambda: str(uuid4()),
        monotonic=settings.monotonic,
    )
