"""How a run is asked to stop, and how one action ends without being carried out."""

import asyncio
from dataclasses import dataclass, field

from reconciler.errors import ReconcilerError


class Interrupted(ReconcilerError):
    """The run was asked to stop before this call was made."""


class ChangedSincePlan(ReconcilerError):
    """The integration is no longer what the plan was made from."""


class NotConfirmed(ReconcilerError):
    """A write went out, no answer came, and reading does not show what became of it."""


@dataclass
class CancelToken:
    """A request to begin nothing new; `reason` is said for everything that is skipped."""

    reason: str = ""
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def request(self, reason: str) -> None:
        """Ask the run to stop; the first reason is kept."""
        self.reason = self.reason or reason
        self.event.set()

    @property
    def requested(self) -> bool:
        """Tell whether nothing new may begin."""
        return self.event.is_set()
