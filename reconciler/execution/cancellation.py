"""Cancel token of a run, and exceptions for actions that are not carried out."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from reconciler.errors import ReconcilerError


class Interrupted(ReconcilerError):
    """The run was requested to stop before this call was made."""


class ChangedSincePlan(ReconcilerError):
    """The integration is no longer what the plan was made from."""


class NotConfirmed(ReconcilerError):
    """A write was sent without a response, and a read does not show whether it was carried out."""


class CancelToken:
    """Request to start nothing new; `reason` is shown for every skipped action.

    Any thread can request it; the first reason is kept.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._requested = False
        self._callbacks: list[Callable[[str], None]] = []
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Whether nothing new may start."""
        return self._requested

    def request(self, reason: str) -> None:
        """Request the run to stop, and call every callback once in this thread."""
        with self._lock:
            self.reason = self.reason or reason
            self._requested = True
            callbacks, self._callbacks = self._callbacks, []
        # Outside the lock, which is not reentrant, because a callback can use this token.
        for callback in callbacks:
            callback(self.reason)

    def add_callback(self, callback: Callable[[str], None]) -> None:
        """Call `callback` with the reason on the request, or at once if it was already made."""
        with self._lock:
            if not self._requested:
                self._callbacks.append(callback)
                return
        callback(self.reason)

    def remove_callback(self, callback: Callable[[str], None]) -> None:
        """Remove a callback, if it is still there."""
        with self._lock:
            self._callbacks = [known for known in self._callbacks if known != callback]

    async def wait(self) -> None:
        """Wait for the request in the running event loop."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake(_reason: str) -> None:
            with suppress(RuntimeError):  # the loop is closed, so nothing waits any more
                loop.call_soon_threadsafe(event.set)

        self.add_callback(wake)
        try:
            await event.wait()
        finally:
            self.remove_callback(wake)
