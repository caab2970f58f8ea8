"""Event loop with virtual time: `asyncio.sleep` and `asyncio.timeout` return at once."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from reconciler.remote.api import Clock

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready:
            return ready
        assert timeout is not None, "everything waits, and nothing will ever happen"
        self.now += max(0.0, timeout)
        return []


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, from 0."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main)


def virtual_timing(*, random: float = 0.5, wall_clock: float = 1_800_000_000.0) -> Clock:
    """Return the timing of the running loop, in which wall and monotonic clock advance together."""

    def clock() -> float:
        return asyncio.get_running_loop().time()

    return Clock(clock, lambda: wall_clock + clock(), asyncio.sleep, lambda: random)
