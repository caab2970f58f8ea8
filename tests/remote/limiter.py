"""Rate limiter with a clock that advances only when a test sets it or a call sleeps."""

import asyncio
from collections.abc import Callable, Iterable

from reconciler.remote.api import Clock
from reconciler.remote.errors import Throttled
from reconciler.remote.retry import Deadline, RateLimiter


class ManualClock:
    """Clock that advances only when it is set or during a sleep."""

    def __init__(self, *, random: float = 0.5) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.at_sleep: dict[int, Callable[[], None]] = {}
        self.clock = Clock(lambda: self.now, lambda: self.now, self.sleep, lambda: random)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at_sleep.get(len(self.slept), lambda: None)()
        self.now += seconds


class LimiterProbe:
    """Limiter with its clock; a call takes no time unless a test sets it."""

    def __init__(
        self,
        *,
        random: float = 0.5,
        deadline: float | None = None,
        on_pause: Callable[[float], None] | None = None,
    ) -> None:
        self.clock = ManualClock(random=random)
        end = Deadline(self.clock.clock.clock, deadline)
        self.limiter = RateLimiter(self.clock.clock, end, on_pause)

    def leaves(self, *, at: float | None = None, takes: float = 0.0) -> float:
        """Make a call that is accepted, and return the time at which it was sent."""
        self.clock.now = self.clock.now if at is None else at
        left = asyncio.run(self.limiter.acquire())
        self.clock.now += takes
        self.limiter.release(left, counted=True)
        return left

    def all_leave(self, moments: Iterable[float]) -> None:
        for moment in moments:
            self.leaves(at=moment)

    def departures(self, count: int) -> list[float]:
        return [self.leaves() for _ in range(count)]

    def refused(self, asked: float | None = None, *, at: float | None = None) -> Throttled:
        """Make a call that is refused with a 429."""
        self.clock.now = self.clock.now if at is None else at
        left = asyncio.run(self.limiter.acquire())
        error = Throttled("no", code="AB06", retry_after=asked)
        try:
            self.limiter.pause(error, sent_at=left)
        finally:
            self.limiter.release(left, counted=False)
        return error

    def fails_to_leave(self) -> None:
        """Make a call that fails to connect."""
        self.limiter.release(asyncio.run(self.limiter.acquire()), counted=False)

    def pace(self, *, at: float | None = None) -> float:
        """Return the current rate in calls per second."""
        return self.limiter._pace(self.clock.now if at is None else at)
