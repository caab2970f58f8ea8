"""Run a few coroutines concurrently, and raise one error where several failed.

For many small jobs, a handful of workers take them from a queue.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from reconciler.remote.errors import DeadlineExceeded, RemoteError


async def gather_or_raise(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first failure cancels the others and is raised without its group."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as many:
        failure = _most_telling(many)
    # Raised outside the handler, so that the group does not become its context.
    if failure is not None:
        raise failure


def _most_telling(many: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return a defect of ours before a refusal, and a refusal before the deadline it caused."""
    found: list[BaseException] = []
    stack: list[BaseException] = [many]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            # Reversed, so that of equal ranks the error that came first decides.
            stack.extend(reversed(error.exceptions))
        else:
            found.append(error)
    return min(found, key=_rank)


def _rank(error: BaseException) -> int:
    if not isinstance(error, RemoteError):
        return 0
    return 2 if isinstance(error, DeadlineExceeded) else 1
