"""Batch ledger writes: events from concurrent workers share one commit.

A commit takes as long as one or two calls, so sixteen workers with separate commits would have to
wait. With batches, they share one commit, which runs in a thread while responses arrive. A call is
still sent only after its intent is on disk: its worker awaits the result of `emit`. Every other
event is written within BATCH_SECONDS. `reconciler.execution.ledger_listener` defines what is
written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import CallStarted, Event, RunStarted
from reconciler.execution.threads import HURRIED_SECONDS, in_thread
from reconciler.ledger.errors import LedgerError

BATCH_SECONDS = 0.02
"""Maximum time that an event waits for others before its batch is written."""

CLOSING_SECONDS = 2.0
"""Time for the last writes of a run that was asked to stop."""


class BatchWriter:
    """Passes events to `write` in batches while it is open, and the rest when it is closed.

    The first failure of `write` is raised for every later event, and kept in `problem`.
    """

    def __init__(
        self, write: Callable[[Sequence[Event]], None], stop: CancelToken | None = None
    ) -> None:
        self.problem: ReconcilerError | None = None
        self._write = write
        self._stop = stop or CancelToken()
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._start_unwritten = False

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._write_batches())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        self._wake.set()
        # After a cancellation or Ctrl-C, the process must end soon, regardless of the ledger.
        if kind is not None and not issubclass(kind, Exception):
            await asyncio.wait({self._worker}, timeout=HURRIED_SECONDS)
        else:
            await finished(self._worker, self._stop)
        # Cancelling the task leaves its thread behind; the process does not wait for it.
        if not self._worker.done():
            self._worker.cancel()
            self.problem = self.problem or unanswered()
        # A run whose start is not recorded has sent nothing, so nothing is lost if it fails. Later
        # failures are part of the result instead.
        if self._start_unwritten and self.problem is not None and kind is None:
            raise self.problem

    def emit(self, event: Event) -> Awaitable[None] | None:
        """Queue an event; return an awaitable if it must be on disk before the run continues.

        These are the start of the run and of each call. The awaitable raises if the write fails.
        """
        if self.problem is not None:
            raise self.problem
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((event, written))
        if isinstance(event, CallStarted | RunStarted):
            self._start_unwritten = self._start_unwritten or isinstance(event, RunStarted)
            self._wake.set()
            return written
        # Only the first event of a batch starts the timer, so no event waits longer than that.
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(BATCH_SECONDS, self._wake.set)
        return None

    async def _write_batches(self) -> None:
        while self._waiting or not self._closed:
            await self._wake.wait()
            self._wake.clear()
            # Taken before the write, so that events that arrive during the write form the next
            # batch.
            batch, self._waiting = self._waiting, []
            if batch:
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[tuple[Event, "asyncio.Future[None]"]]) -> None:
        events = [event for event, _ in batch]
        try:
            # After a failure, nothing more is written, because a record with a gap would be treated
            # as complete.
            if self.problem is None:
                await in_thread(lambda: self._write(events))
                self._start_unwritten = False
        except ReconcilerError as problem:
            self.problem = problem
        except Exception as problem:  # noqa: BLE001  whatever it is, the run must end cleanly
            self.problem = defect(problem)
        for _, written in batch:
            if written.done():  # a worker that was cancelled no longer waits
                continue
            if self.problem is None:
                written.set_result(None)
            else:
                written.set_exception(self.problem)
                written.exception()  # mark it as retrieved: a worker may not await it


async def finished(work: "asyncio.Future[Any]", stop: CancelToken) -> bool:
    """Wait for work, at most CLOSING_SECONDS after a request to stop; return whether it ended."""
    asked = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await asyncio.wait({work}, timeout=CLOSING_SECONDS)
    finally:
        asked.cancel()
    return work.done()


def unanswered() -> LedgerError:
    """Return the error for a ledger that had not responded when the run had to end."""
    return LedgerError(
        "the ledger did not respond before the run had to end",
        code="ledger-timeout",
        hint="what the run did is in its result; `reconcile plan` shows the remaining changes",
    )


def defect(problem: Exception) -> LedgerError:
    """Return the error for an unexpected failure; only its type is shown."""
    return LedgerError(
        f"the record of this run failed: internal error: {type(problem).__name__}",
        code="ledger-failed",
        hint="this is a defect of reconcile; `-vv` shows where it happened",
    )
