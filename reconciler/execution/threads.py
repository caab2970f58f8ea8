"""Do what blocks in a thread of its own, so that signals and deadlines reach the event loop.

The threads are daemons: a database that hangs keeps neither the loop nor the end of the process
waiting. What `asyncio.to_thread` starts is waited for when the process ends.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Generic, TypeAlias, TypeVar

from reconciler.errors import ReconcilerError

Result = TypeVar("Result")

LEAVING_SECONDS = 2.0
"""How long the end of a context may take after work that ended well."""

HURRIED_SECONDS = 0.3
"""How long it may take after work that was cut off."""


async def in_thread(
    work: Callable[[], Result], *, abandoned: Callable[[Result], object] | None = None
) -> Result:
    """Return what `work` returns; `abandoned` takes it if nobody waits for it any more."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Result] = loop.create_future()
    handover = _Handover(abandoned)

    def settle(result: Result | None, problem: BaseException | None) -> None:
        if ended.done():
            return  # the waiter gave up and has dealt with it
        if problem is None:
            ended.set_result(result)  # type: ignore[arg-type]  # it is a Result
        else:
            ended.set_exception(problem)

    def run() -> None:
        try:
            outcome: _Outcome[Result] = (work(), None)
        except BaseException as problem:  # noqa: BLE001  it is raised where the work is awaited
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
    """Settles, between a thread and its waiter, which of the two takes care of the result.

    The loop cannot: it may end between the arrival of a result and the callback that takes it.
    """

    def __init__(self, abandoned: Callable[[Result], object] | None) -> None:
        self._abandoned = abandoned
        self._lock = threading.Lock()
        self._outcome: _Outcome[Result] | None = None
        self._given_up = False

    def arrive(self, outcome: _Outcome[Result]) -> bool:
        """Note the outcome and return whether it is still awaited; if not, give it back."""
        with self._lock:
            self._outcome = outcome
            given_up = self._given_up
        if given_up:
            self.give_back(outcome)
        return not given_up

    def give_up(self) -> None:
        """Stop waiting; what has arrived already is given back in a thread of its own."""
        with self._lock:
            self._given_up = True
            outcome = self._outcome
        if outcome is not None:
            _start(lambda: self.give_back(outcome))

    def give_back(self, outcome: _Outcome[Result]) -> None:
        """Hand a result that nobody takes to `abandoned`."""
        result, problem = outcome
        if problem is None and self._abandoned is not None:
            self._abandoned(result)  # type: ignore[arg-type]  # it is a Result


@asynccontextmanager
async def entered(context: AbstractContextManager[Result]) -> AsyncIterator[Result]:
    """Enter and leave a context in threads; what hinders leaving is not raised.

    Whoever is asked to stop does not wait for the end of it.
    """

    def leave(_: object = None) -> None:
        with suppress(ReconcilerError, OSError):
            context.__exit__(None, None, None)

    value = await in_thread(context.__enter__, abandoned=leave)
    patience = HURRIED_SECONDS
    try:
        yield value
        patience = LEAVING_SECONDS
    finally:
        left = asyncio.ensure_future(in_thread(leave))
        await asyncio.wait({left}, timeout=patience)
        left.cancel()


def _start(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="reconcile-ledger", daemon=True).start()
