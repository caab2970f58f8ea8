"""Write a run down in groups: what workers say at the same time is on disk with one commit.

A commit that waits for the disk takes as long as a call or two; sixteen workers that each wait for
their own would stand in one line. Here they wait together, in a thread, while answers come in. A
call is still not sent before its intent is on disk: whoever is about to send awaits what `emit`
gives. Everything else is written a moment later. What is written: `reconciler.execution.recording`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from reconciler.errors import ReconcilerError
from reconciler.execution.events import CallStarted, Event, RunStarted

PATIENCE = 0.02
"""Seconds in which an event for which nobody waits may find company."""


class Clerk:
    """Hands events to `write` in groups while it is open; all are written when it is closed.

    The first failure of `write` is raised out of every later event, and stays in `problem`.
    """

    def __init__(self, write: Callable[[Sequence[Event]], None]) -> None:
        self.problem: ReconcilerError | None = None
        self._write = write
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._something = asyncio.Event()
        self._closed = False

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
        await self._work

    def emit(self, event: Event) -> Awaitable[None] | None:
        """Take an event; before a call give something to wait for, which raises if it is not kept.

        The beginning of a run is kept at once: nothing was sent yet, so its failure ends the run.
        """
        if isinstance(event, RunStarted):
            self._write([event])
            return None
        if self.problem is not None:
            raise self.problem
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((event, written))
        if isinstance(event, CallStarted):
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
        try:
            if self.problem is None:
                await asyncio.to_thread(self._write, [event for event, _ in group])
        except ReconcilerError as problem:
            self.problem = problem
        for _, written in group:
            if written.done():  # a worker that was cancelled no longer waits
                continue
            if self.problem is None:
                written.set_result(None)
            else:
                written.set_exception(self.problem)
                written.exception()  # nobody has to wait for it
