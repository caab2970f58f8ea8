"""Work in daemon threads: nothing waits for a hanging thread, and resources are closed."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.errors import ReconcilerError
from reconciler.execution.threads import entered, in_thread

NAMES = ("opened", "used", "closed")


def test_the_result_or_exception_of_the_work_is_returned() -> None:
    def fail() -> None:
        raise ReconcilerError("no", code="no")

    async def run() -> int:
        with pytest.raises(ReconcilerError, match="no"):
            await in_thread(fail)
        return await in_thread(lambda: 7)

    assert asyncio.run(run()) == 7


def test_hanging_work_does_not_block_the_loop_or_the_exit() -> None:
    async def run() -> None:
        hanging = asyncio.ensure_future(in_thread(threading.Event().wait))
        await asyncio.wait({hanging}, timeout=0)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging

    asyncio.run(run())


def test_a_late_resource_is_closed() -> None:
    gate, returned = threading.Event(), threading.Event()

    async def run() -> None:
        late = asyncio.ensure_future(
            in_thread(lambda: gate.wait(10), abandoned=lambda _: returned.set())
        )
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        gate.set()

    asyncio.run(run())
    assert returned.wait(10)


@pytest.mark.parametrize("fails", [False, True])
def test_a_context_is_exited_after_any_failure(*, fails: bool) -> None:
    seen: list[str] = []

    @contextmanager
    def context() -> Iterator[str]:
        seen.append(NAMES[0])
        yield "value"
        seen.append(NAMES[2])
        raise ReconcilerError("cannot be closed", code="no")

    async def run() -> None:
        async with entered(context()) as value:
            assert value == "value"
            seen.append(NAMES[1])
            if fails:
                raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(run())
    else:
        asyncio.run(run())
    assert tuple(seen) == NAMES


def test_a_context_that_hangs_on_exit_does_not_delay_the_run() -> None:
    reached = threading.Event()

    @contextmanager
    def context() -> Iterator[None]:
        yield
        reached.set()
        threading.Event().wait()

    async def run() -> None:
        async with entered(context()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
    assert reached.wait(10)
