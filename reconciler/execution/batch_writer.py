"""Write a run down in groups: what workers say at the same time is on disk with one commit.

A commit that waits for the disk takes as long as a call or two; sixteen workers that each wait for
their own would stand in one line. Here they wait together, in a thread, while answers come in. A
call is still not sent before its intent is on disk: whoever is about to send awaits what `emit`
gives. Everything else is written a moment later. What is written:
`reconciler.execution.ledger_listener`.
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

PATIENCE = 0.02
"""Seconds in which an event for which nobody waits may find company."""

CLOSING_SECONDS = 2.0
"""How long the last writes may take in a run that was asked to stop."""


class BatchWriter:
    """Hands events to `write` in groups while it is open; all are written when it is closed.

    The first failure of `write` is raised out of every later event, and stays in `problem`.
    """

    def __init__(
        self, write: Callable[[Sequence[Event]], None], stop: CancelToken | None = None
    ) -> None:
        self.problem: ReconcilerError | None = None
        self._write = write
        self._stop = stop or CancelToken()
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._something = asyncio.Event()
        self._closed = False
        self._unkept = False

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._keep_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        self._something.set()
        if kind is not None and not issubclass(kind, Exception):
            await asyncio.wait({self._work}, timeout=HURRIED_SECONDS)
        else:
            await finished(self._work, self._stop)
        if not self._work.done():
            self._work.cancel()
            self.problem = self.problem or unanswered()
        if self._unkept and self.problem is not None and kind is None:
            raise self.problem

    def emit(self, event: Event) -> Awaitable[None] | None:
        """Take an event; before a call give something to wait for, which raises if it is not kept.

        So does the beginning of a run: nothing was sent yet, so its failure ends the run.
        """
        if self.problem is not None:
            raise self.problem
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((event, written))
        if isinstance(event, CallStarted | RunStarted):
            self._unkept = self._unkept or isinstance(event, RunStarted)
            self._something.set()
            return written
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(PATIENCE, self._something.set)
        return None

    async def _keep_all(self) -> None:
        while self._waiting or not self._closed:
            await self._something.wait()
            self._something.clear()
            group, self._waiting = self._waiting, []
            if group:
                await self._keep(group)

    async def _keep(self, group: list[tuple[Event, "asyncio.Future[None]"]]) -> None:
        events = [event for event, _ in group]
        try:
            if self.problem is None:
                await in_thread(lambda: self._write(events))
                self._unkept = False
        except ReconcilerError as problem:
            self.problem = problem
        except Exception as problem:  # noqa: BLE001  whatever it is, the run must end in order
            self.problem = defect(problem)
        for _, written in group:
            if written.done():  # a worker that was cancelled no longer waits
                continue
            if self.problem is None:
                written.set_result(None)
            else:
                written.set_exception(self.problem)
                written.exception()  # nobody has to wait for it


async def finished(work: "asyncio.Future[Any]", stop: CancelToken) -> bool:
    """Wait for work to end, but not long once the run is asked to stop; return whether it has."""
    asked = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await asyncio.wait({work}, timeout=CLOSING_SECONDS)
    finally:
        asked.cancel()
    return work.done()


def unanswered() -> LedgerError:
    """Return the error for a ledger that was still silent when the run had to end."""
    return LedgerError(
        "the ledger did not answer before the run had to end",
        code="ledger-timeout",
        hint="what the run did is in its result; `reconcile plan` shows what is left",
    )


def defect(problem: Exception) -> LedgerError:
    """Return the error for a failure that nobody has foreseen; only its type is shown."""
    return LedgerError(
        f"the record of this run failed: internal error: {type(problem).__name__}",
        code="ledger-failed",
        hint="this is a defect of reconcile; `-vv` shows where it happened",
    )
