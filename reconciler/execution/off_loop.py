"""Do what blocks in a thread of its own, so that signals and deadlines reach the event loop.

The threads are daemons: a database that hangs keeps neither the loop nor the end of the process
waiting. What `asyncio.to_thread` starts is waited for when the process ends.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TypeVar

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

    def settle(result: Result | None, problem: BaseException | None) -> None:
        if ended.done():
            if problem is None and abandoned is not None:
                _start(lambda: abandoned(result))  # type: ignore[arg-type]  # it is a Result
        elif problem is None:
            ended.set_result(result)  # type: ignore[arg-type]  # it is a Result
        else:
            ended.set_exception(problem)

    def run() -> None:
        try:
            outcome: tuple[Result | None, BaseException | None] = (work(), None)
        except BaseException as problem:  # noqa: BLE001  it is raised where the work is awaited
            outcome = (None, problem)
        try:
            loop.call_soon_threadsafe(settle, *outcome)
        except RuntimeError:  # the loop is closed
            if outcome[1] is None and abandoned is not None:
                abandoned(outcome[0])  # type: ignore[arg-type]  # it is a Result

    _start(run)
    return await ended


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
