"""What is asked of one member, and how work that runs elsewhere is asked to stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.fleet.outcome import FleetOperation, MemberOutcome


@dataclass(frozen=True, slots=True)
class MemberTask:
    """One member's part in a run of the fleet.

    `approved` holds the pieces of the plan that may be applied, None for whatever the files say.
    `deadline` is in seconds. Values here are names and digests: an order may travel.
    """

    member: str
    verb: FleetOperation
    approved: tuple[str, ...] | None = None
    deadline: float = 900
    keeps_records: bool = True
    differences_matter: bool = False


class MemberCancelToken:
    """A request to stop that reaches work in other threads; the first reason is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[str], None]] = []
        self.reason = ""

    @property
    def requested(self) -> bool:
        """Tell whether nothing new may begin."""
        return bool(self.reason)

    def request(self, reason: str) -> None:
        """Ask everything to stop."""
        with self._lock:
            self.reason = self.reason or reason
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(self.reason)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call back when it is asked for, at once if it was already."""
        with self._lock:
            if not self.reason:
                self._listeners.append(listener)
                return
        listener(self.reason)


CarryOut = Callable[[MemberTask, MemberCancelToken], MemberOutcome]
"""Does one order in the calling thread and never raises; both engines call the same one."""
