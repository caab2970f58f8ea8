"""Run blocking work in threads, so that signals and deadlines reach the event loop.

The threads are daemons, so a database that hangs delays neither the loop nor the end of the
process. `asyncio.to_thread` cannot be used, because its threads are joined when the process ends.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Generic, TypeAlias, TypeVar

from reconciler.errors import ReconcilerError

Result = TypeVar("Result")

LEAVING_SECONDS = 2.0
"""Time limit for leaving a context after work that succeeded."""

HURRIED_SECONDS = 0.3
"""Time limit for leaving a context after work that was interrupted."""


async def in_thread(
    work: Callable[[], Result], *, abandoned: Callable[[Result], object] | None = None
) -> Result:
    """Return the result of `work`; if the waiter was cancelled, `abandoned` is called with it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Result] = loop.create_future()
    handover = _Handover(abandoned)

    def settle(result: Result | None, problem: BaseException | None) -> None:
        if ended.done():
            return  # the waiter was cancelled, so `handover` takes care of the result
        if problem is None:
            ended.set_result(result)  # type: ignore[arg-type]  # it is a Result
        else:
            ended.set_exception(problem)

    def run() -> None:
        try:
            outcome: _Outcome[Result] = (work(), None)
        except BaseException as problem:  # noqa: BLE001  it is raised to the waiter
            outcome = (None, problem)
        if handover.arrive(outcome):
            try:
                loop.call_soon_threadsafe(settle, *outcome)
            except RuntimeError:  # the loop is closed
                handover.give_back(outcome)

    _start(run)
    try:
        return await ended
    except asyncio.CancelledError:
        handover.give_up()
        raise


_Outcome: TypeAlias = tuple[Result | None, BaseException | None]


class _Handover(Generic[Result]):
    """Decides whether a thread or its waiter is responsible for the result.

    The loop cannot decide, because it can end after the result arrived and before its callback
    runs.
    """

    def __init__(self, abandoned: Callable[[Result], object] | None) -> None:
        self._abandoned = abandoned
        self._lock = threading.Lock()
        self._outcome: _Outcome[Result] | None = None
        self._given_up = False

    def arrive(self, outcome: _Outcome[Result]) -> bool:
        """Store the outcome; return whether it is still awaited, and release it if not."""
        with self._lock:
            self._outcome = outcome
            given_up = self._given_up
        if given_up:
            self.give_back(outcome)
        return not given_up

    def give_up(self) -> None:
        """Stop waiting; another thread releases an outcome that has already arrived."""
        with self._lock:
            self._given_up = True
            outcome = self._outcome
        if outcome is not None:
            _start(lambda: self.give_back(outcome))

    def give_back(self, outcome: _Outcome[Result]) -> None:
        """Pass a result that is no longer awaited to `abandoned`."""
        result, problem = outcome
        if problem is None and self._abandoned is not None:
            self._abandoned(result)  # type: ignore[arg-type]  # it is a Result


@asynccontextmanager
async def entered(context: AbstractContextManager[Result]) -> AsyncIterator[Result]:
    """Enter and leave a context in threads; an error on leaving is not raised.

    Leaving takes at most LEAVING_SECONDS, or HURRIED_SECONDS after an interruption.
    """

    def leave(_: object = None) -> None:
        with suppress(ReconcilerError, OSError):
            context.__exit__(None, None, None)

    # A lock acquired after its waiter was cancelled would otherwise be held until the process ends.
    value = await in_thread(context.__enter__, abandoned=leave)
    timeout = HURRIED_SECONDS
    try:
        yield value
        timeout = LEAVING_SECONDS
    finally:
        left = asyncio.ensure_future(in_thread(leave))
        await asyncio.wait({left}, timeout=timeout)
        # This only ends the wait: the daemon thread continues to leave the context.
        left.cancel()


def _start(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="reconcile-ledger", daemon=True).start()
